package storetest

import (
	"sync"

	"golang.org/x/sync/errgroup"

	"shotline/jobs"
)

// concurrently calls call for 0 to n-1 from up to 32 goroutines at once.
func concurrently(f *fixture, n int, call func(i int) error) {
	f.t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error { return call(i) })
	}
	f.must(g.Wait(), "concurrent calls")
}

// simultaneously starts all runners at the same time and waits for them.
func simultaneously(f *fixture, runners ...func() error) {
	f.t.Helper()
	var ready sync.WaitGroup
	ready.Add(len(runners))
	start := make(chan struct{})
	var g errgroup.Group
	for _, run := range runners {
		g.Go(func() error {
			ready.Done()
			<-start
			return run()
		})
	}
	ready.Wait()
	close(start)
	f.must(g.Wait(), "simultaneous calls")
}

// twoStores returns two stores on the storage of the fixture.
func (f *fixture) twoStores() [2]jobs.Store { return [2]jobs.Store{f.Store, f.openStore()} }

// bulk makes a batch of n pending jobs.
func (f *fixture) bulk(batch string, n int) []jobs.ID {
	f.t.Helper()
	f.bulkOpen(batch, n)
	return f.bulkPending(batch, n)
}

func (f *fixture) bulkOpen(batch string, n int) {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: batch}, f.now), "create batch")
	f.must(f.AppendRequests(f.ctx(), batch, pages(n), f.now), "append")
	_, err := f.OpenBatch(f.ctx(), batch, f.now)
	f.must(err, "open batch")
}

// bulkSent leases n jobs of an open batch and commits their intents together.
func (f *fixture) bulkSent(batch string, n int) []jobs.Lease {
	f.t.Helper()
	leases, err := f.Lease(f.ctx(), batch, "w1", n, f.now, f.now.Add(leaseTime))
	f.must(err, "lease")
	wantSame(f, "leased", len(leases), n)
	concurrently(f, n, func(i int) (err error) {
		leases[i], err = f.OpenIntent(f.ctx(), leases[i], f.now, f.now.Add(leaseTime))
		return err
	})
	return leases
}

// bulkPending makes n jobs of an open batch pending and checks once.
func (f *fixture) bulkPending(batch string, n int) []jobs.ID {
	f.t.Helper()
	var ids []jobs.ID
	var answers []jobs.Observation
	for _, l := range f.bulkSent(batch, n) {
		ids = append(ids, l.Job.ID)
		answers = append(answers, seen(l.Job.ID, jobs.OutcomeProcessing))
	}
	f.observe(jobs.ByCreate, answers...)
	return ids
}
