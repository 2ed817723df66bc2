package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var keyTests = []test{
	{"a repeated request is recognized by its key", func(f *fixture) {
		f.addJob(jobs.BatchSpec{ID: "b1", Key: key("order", 1)}, pages(1)[0])
		f.wantTaken(key("order", 1), "b1", true)
		f.wantTaken(key("order", 2), "b1", false)
		f.addJob(jobs.BatchSpec{ID: "b2", Key: key("other", 1)}, pages(1)[0])
		foreign := key("order", 1)
		foreign.Scope = "somebody else's"
		f.addJob(jobs.BatchSpec{ID: "b3", Key: foreign}, pages(1)[0])
		f.addJob(jobs.BatchSpec{ID: "b4"}, pages(1)[0])
		f.addJob(jobs.BatchSpec{ID: "b5"}, pages(1)[0]) // batches without a key do not conflict
		wantSame(f, "key that is read", f.batch("b1").Key, jobs.Key{})
	}},
	{"a key is kept whatever happens to its batch", func(f *fixture) {
		f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b1", Key: key("list", 1)}, f.now), "create batch")
		f.wantTaken(key("list", 1), "b1", true) // importing
		f.must(f.AppendRequests(f.ctx(), "b1", pages(1), f.now), "append")
		_, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.must(err, "open batch")
		f.wantTaken(key("list", 1), "b1", true)
		f.closeJobs(cancel(row("b1", 1)))
		f.wantTaken(key("list", 2), "b1", false)
	}},
	{"an import that is removed frees its key", func(f *fixture) {
		f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b1", Key: key("list", 1)}, f.now), "create batch")
		f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b2", Key: key("other", 1)}, f.now), "create batch")
		f.must(f.AppendRequests(f.ctx(), "b1", pages(700), f.now), "append")
		f.must(f.RemoveImport(f.ctx(), "b1"), "remove import")
		f.addJob(jobs.BatchSpec{ID: "b3", Key: key("list", 2)}, pages(1)[0])
		f.wantTaken(key("other", 1), "b2", true)
	}},
	{"keys are removed by age", func(f *fixture) {
		f.addJob(jobs.BatchSpec{ID: "b1", Key: key("old", 1)}, pages(1)[0])
		f.later(time.Hour)
		f.addJob(jobs.BatchSpec{ID: "b2", Key: key("young", 1)}, pages(1)[0])
		wantSame(f, "pruned", f.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(f, "pruned", f.prune(jobs.Retention{Keys: f.now}), jobs.Pruned{Keys: 1})
		f.wantTaken(key("young", 1), "b2", true)
		f.addJob(jobs.BatchSpec{ID: "b3", Key: key("old", 1)}, pages(1)[0])
		f.wantTaken(key("old", 1), "b3", true)
	}},
	{"of many requests with one key one makes a batch", func(f *fixture) {
		const n = 100
		stores := f.twoStores()
		var made atomic.Int32
		var batch atomic.Value
		concurrently(f, n, func(i int) error {
			spec := jobs.BatchSpec{ID: fmt.Sprintf("b%d", i), Key: key("order", 1)}
			var err error
			if i%3 == 0 {
				err = stores[i%2].CreateBatch(f.ctx(), spec, f.now)
			} else {
				_, err = stores[i%2].AddJob(f.ctx(), spec, pages(1)[0], f.now)
			}
			var taken *jobs.KeyTakenError
			switch {
			case errors.As(err, &taken) && taken.Same:
				return nil
			case err == nil:
				made.Add(1)
				batch.Store(spec.ID)
			}
			return err
		})
		f.check()
		wantSame(f, "batches made", made.Load(), 1)
		f.wantTaken(key("order", 1), batch.Load().(string), true)
		all, err := f.Batches(f.ctx(), "", 1000)
		f.must(err, "batches")
		wantSame(f, "batches", len(all), 1)
	}},
}

// wantTaken asserts that neither a batch nor a job can be made with the key.
func (f *fixture) wantTaken(k jobs.Key, batch string, same bool) {
	f.t.Helper()
	spec := jobs.BatchSpec{ID: "taken", Key: k}
	_, err := f.AddJob(f.ctx(), spec, pages(1)[0], f.now)
	for _, err := range []error{err, f.CreateBatch(f.ctx(), spec, f.now)} {
		var taken *jobs.KeyTakenError
		if !errors.As(err, &taken) {
			f.t.Fatalf("key %q: error %v, want KeyTakenError", k.Name, err)
		}
		wantSame(f, "batch of the key", taken.Batch, batch)
		wantSame(f, "by the same request", taken.Same, same)
	}
	_, err = f.Batch(f.ctx(), "taken")
	f.wantErr(err, jobs.ErrNotFound, "batch of a taken key")
}
