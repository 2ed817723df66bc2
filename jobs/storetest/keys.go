package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var keyTests = []test{
	{"a request that comes again is known", func(b *book) {
		b.single(jobs.BatchSpec{ID: "b1", Key: key("order", 1)}, pages(1)[0])
		b.wantTaken(key("order", 1), "b1", true)
		b.wantTaken(key("order", 2), "b1", false)
		b.single(jobs.BatchSpec{ID: "b2", Key: key("other", 1)}, pages(1)[0])
		foreign := key("order", 1)
		foreign.Scope = "somebody else's"
		b.single(jobs.BatchSpec{ID: "b3", Key: foreign}, pages(1)[0])
		b.single(jobs.BatchSpec{ID: "b4"}, pages(1)[0])
		b.single(jobs.BatchSpec{ID: "b5"}, pages(1)[0]) // no key is no key that is taken
		wantSame(b, "key that is read", b.batch("b1").Key, jobs.Key{})
	}},
	{"a key outlives what becomes of its batch", func(b *book) {
		b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b1", Key: key("list", 1)}, b.now), "create batch")
		b.wantTaken(key("list", 1), "b1", true) // importing
		b.must(b.AppendRequests(b.ctx(), "b1", pages(1), b.now), "append")
		_, err := b.OpenBatch(b.ctx(), "b1", b.now)
		b.must(err, "open batch")
		b.wantTaken(key("list", 1), "b1", true)
		b.shut(cancel(row("b1", 1)))
		b.wantTaken(key("list", 2), "b1", false)
	}},
	{"an import that is removed frees its key", func(b *book) {
		b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b1", Key: key("list", 1)}, b.now), "create batch")
		b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b2", Key: key("other", 1)}, b.now), "create batch")
		b.must(b.AppendRequests(b.ctx(), "b1", pages(700), b.now), "append")
		b.must(b.RemoveImport(b.ctx(), "b1"), "remove import")
		b.single(jobs.BatchSpec{ID: "b3", Key: key("list", 2)}, pages(1)[0])
		b.wantTaken(key("other", 1), "b2", true)
	}},
	{"keys are let go by their age", func(b *book) {
		b.single(jobs.BatchSpec{ID: "b1", Key: key("old", 1)}, pages(1)[0])
		b.later(time.Hour)
		b.single(jobs.BatchSpec{ID: "b2", Key: key("young", 1)}, pages(1)[0])
		wantSame(b, "pruned", b.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(b, "pruned", b.prune(jobs.Retention{Keys: b.now}), jobs.Pruned{Keys: 1})
		b.wantTaken(key("young", 1), "b2", true)
		b.single(jobs.BatchSpec{ID: "b3", Key: key("old", 1)}, pages(1)[0])
		b.wantTaken(key("old", 1), "b3", true)
	}},
	{"of many requests with one key one makes a batch", func(b *book) {
		const n = 100
		stores := b.openers()
		var made atomic.Int32
		var batch atomic.Value
		crowd(b, n, func(i int) error {
			spec := jobs.BatchSpec{ID: fmt.Sprintf("b%d", i), Key: key("order", 1)}
			var err error
			if i%3 == 0 {
				err = stores[i%2].CreateBatch(b.ctx(), spec, b.now)
			} else {
				_, err = stores[i%2].AddJob(b.ctx(), spec, pages(1)[0], b.now)
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
		b.check()
		wantSame(b, "batches made", made.Load(), 1)
		b.wantTaken(key("order", 1), batch.Load().(string), true)
		all, err := b.Batches(b.ctx(), "", 1000)
		b.must(err, "batches")
		wantSame(b, "batches", len(all), 1)
	}},
}

// wantTaken asserts that neither a batch nor a job is made by a key.
func (b *book) wantTaken(k jobs.Key, batch string, same bool) {
	b.t.Helper()
	spec := jobs.BatchSpec{ID: "taken", Key: k}
	_, err := b.AddJob(b.ctx(), spec, pages(1)[0], b.now)
	for _, err := range []error{err, b.CreateBatch(b.ctx(), spec, b.now)} {
		var taken *jobs.KeyTakenError
		if !errors.As(err, &taken) {
			b.t.Fatalf("key %q: error %v, want that it is taken", k.Name, err)
		}
		wantSame(b, "batch of the key", taken.Batch, batch)
		wantSame(b, "by the same request", taken.Same, same)
	}
	_, err = b.Batch(b.ctx(), "taken")
	b.wantErr(err, jobs.ErrNotFound, "batch of a taken key")
}
