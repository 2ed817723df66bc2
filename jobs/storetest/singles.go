package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var singleTests = []test{
	{"a job by itself is a batch of one, open at once", func(b *book) {
		spec := jobs.BatchSpec{
			ID: "b1", Source: "api", Params: jobs.Params{"size": "page"}, Tags: []string{"t"}, Apps: []jobs.App{{ID: "7"}},
			JobTimeout: time.Minute, Priority: 7, CallbackURL: "https://user.example/hook",
		}
		request := jobs.Request{
			URL: "https://example.com/", Params: jobs.Params{"dark": true}, Tags: []string{"x"}, Metadata: jobs.Metadata{"sku": "1"},
		}
		j := b.single(spec, request)
		if diff := cmp.Diff(b.job(row("b1", 1)), j); diff != "" {
			b.t.Fatalf("the job that came back is another one (-kept +returned):\n%s", diff)
		}
		got := jobs.Request{URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata}
		if diff := cmp.Diff(request, got); diff != "" {
			b.t.Fatalf("the request changed on its way (-given +kept):\n%s", diff)
		}
		batch := b.batch("b1")
		spec.Single = true
		if diff := cmp.Diff(spec, batch.BatchSpec); diff != "" {
			b.t.Fatalf("the spec changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(b, "state", batch.State, jobs.BatchOpen)
		wantSame(b, "queued", batch.Counts.Of(jobs.Queued), 1)
		b.wantTime("created", batch.CreatedAt, b.now)
		b.wantWork(b.now, b.now.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1", Single: true})
		e := b.webhook(b.pending("b1", 1)[0], jobs.OutcomeDone)
		wantSame(b, "finished", len(e.Finished), 1)
	}},
	{"what cannot be a job makes no batch", func(b *book) {
		b.open("b1", pages(1)...)
		for doing, refused := range map[string]struct {
			spec    jobs.BatchSpec
			request jobs.Request
			want    error
		}{
			"a request to reject":   {jobs.BatchSpec{ID: "b2"}, rejected(0, "no scheme"), jobs.ErrInvalid},
			"params that no JSON":   {jobs.BatchSpec{ID: "b2"}, jobs.Request{URL: "https://a.example/", Params: jobs.Params{"a": func() {}}}, jobs.ErrInvalid},
			"an id of no form":      {jobs.BatchSpec{ID: "B-2"}, pages(1)[0], jobs.ErrInvalid},
			"a priority too high":   {jobs.BatchSpec{ID: "b2", Priority: jobs.MaxPriority + 1}, pages(1)[0], jobs.ErrInvalid},
			"a priority too low":    {jobs.BatchSpec{ID: "b2", Priority: -jobs.MaxPriority - 1}, pages(1)[0], jobs.ErrInvalid},
			"an id that is taken":   {jobs.BatchSpec{ID: "b1"}, pages(1)[0], jobs.ErrExists},
			"a taken id, and a key": {jobs.BatchSpec{ID: "b1", Key: key("new", 1)}, pages(1)[0], jobs.ErrExists},
		} {
			_, err := b.AddJob(b.ctx(), refused.spec, refused.request, b.now)
			b.wantErr(err, refused.want, doing)
			_, err = b.Batch(b.ctx(), "b2")
			b.wantErr(err, jobs.ErrNotFound, "batch of "+doing)
		}
		b.wantErr(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b2", Priority: 101}, b.now), jobs.ErrInvalid, "create a batch of priority 101")
		wantSame(b, "jobs of b1", b.batch("b1").Counts.Rows, 1)
		b.single(jobs.BatchSpec{ID: "b3", Key: key("new", 1)}, pages(1)[0])
	}},
	{"many at a time, some of them refused", func(b *book) {
		const n = 300
		crowd(b, n, func(i int) error {
			id := fmt.Sprintf("b%d", i)
			if i%3 == 0 {
				id = "b0"
			}
			_, err := b.AddJob(b.ctx(), jobs.BatchSpec{ID: id}, pages(1)[0], b.now)
			if i%3 == 0 && errors.Is(err, jobs.ErrExists) {
				return nil
			}
			return err
		})
		b.check()
		totals, err := b.Totals(b.ctx())
		b.must(err, "totals")
		wantSame(b, "batches", totals.Batches[jobs.BatchOpen], n*2/3+1)
		wantSame(b, "jobs", totals.Counts.Of(jobs.Queued), n*2/3+1)
	}},
}

// single adds a job by itself.
func (b *book) single(spec jobs.BatchSpec, r jobs.Request) jobs.Job {
	b.t.Helper()
	j, err := b.AddJob(b.ctx(), spec, r, b.now)
	b.must(err, "add job %s", spec.ID)
	b.check()
	return j
}

// key is a key for one of several requests.
func key(name string, request byte) jobs.Key {
	return jobs.Key{Scope: "token", Name: name, Hash: [32]byte{request}}
}
