package storetest

import (
	"sync"

	"golang.org/x/sync/errgroup"

	"shotline/jobs"
)

// crowd calls f for 0 to n-1 from up to 32 goroutines at once.
func crowd(b *book, n int, f func(i int) error) {
	b.t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	b.must(g.Wait(), "in a crowd")
}

// race lets all runners go at the same moment and waits for them.
func race(b *book, runners ...func() error) {
	b.t.Helper()
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
	b.must(g.Wait(), "in a race")
}

// openers are two stores on the book's storage.
func (b *book) openers() [2]jobs.Store { return [2]jobs.Store{b.Store, b.second()} }

// bulk makes a batch of n pending jobs.
func (b *book) bulk(batch string, n int) []jobs.ID {
	b.t.Helper()
	b.bulkOpen(batch, n)
	return b.bulkPending(batch, n)
}

func (b *book) bulkOpen(batch string, n int) {
	b.t.Helper()
	b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: batch}, b.now), "create batch")
	b.must(b.AppendRequests(b.ctx(), batch, pages(n), b.now), "append")
	_, err := b.OpenBatch(b.ctx(), batch, b.now)
	b.must(err, "open batch")
}

// bulkSent leases n jobs of an open batch and commits their intents together.
func (b *book) bulkSent(batch string, n int) []jobs.Lease {
	b.t.Helper()
	leases, err := b.Lease(b.ctx(), batch, "w1", n, b.now, b.now.Add(leaseTime))
	b.must(err, "lease")
	wantSame(b, "leased", len(leases), n)
	crowd(b, n, func(i int) (err error) {
		leases[i], err = b.OpenIntent(b.ctx(), leases[i], b.now, b.now.Add(leaseTime))
		return err
	})
	return leases
}

// bulkPending makes n jobs of an open batch pending and checks once.
func (b *book) bulkPending(batch string, n int) []jobs.ID {
	b.t.Helper()
	var ids []jobs.ID
	var answers []jobs.Observation
	for _, l := range b.bulkSent(batch, n) {
		ids = append(ids, l.Job.ID)
		answers = append(answers, seen(l.Job.ID, jobs.OutcomeProcessing))
	}
	b.observe(jobs.ByCreate, answers...)
	return ids
}
