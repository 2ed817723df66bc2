package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var singleTests = []test{
	{"a single job is an open batch of one", func(f *fixture) {
		spec := jobs.BatchSpec{
			ID: "b1", Source: "api", Params: jobs.Params{"size": "page"}, Tags: []string{"t"}, Apps: []jobs.App{{ID: "7"}},
			JobTimeout: time.Minute, Priority: 7, CallbackURL: "https://user.example/hook",
		}
		request := jobs.Request{
			URL: "https://example.com/", Params: jobs.Params{"dark": true}, Tags: []string{"x"}, Metadata: jobs.Metadata{"sku": "1"},
		}
		j := f.addJob(spec, request)
		if diff := cmp.Diff(f.job(row("b1", 1)), j); diff != "" {
			f.t.Fatalf("the returned job differs from the stored one (-stored +returned):\n%s", diff)
		}
		got := jobs.Request{URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata}
		if diff := cmp.Diff(request, got); diff != "" {
			f.t.Fatalf("the request changed on its way (-given +kept):\n%s", diff)
		}
		batch := f.batch("b1")
		spec.Single = true
		if diff := cmp.Diff(spec, batch.BatchSpec); diff != "" {
			f.t.Fatalf("the spec changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(f, "state", batch.State, jobs.BatchOpen)
		wantSame(f, "queued", batch.Counts.Of(jobs.Queued), 1)
		f.wantTime("created", batch.CreatedAt, f.now)
		f.wantWork(f.now, f.now.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1", Single: true})
		e := f.webhook(f.pending("b1", 1)[0], jobs.OutcomeDone)
		wantSame(f, "finished", len(e.Finished), 1)
	}},
	{"an invalid job makes no batch", func(f *fixture) {
		f.open("b1", pages(1)...)
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
			"an existing id":        {jobs.BatchSpec{ID: "b1"}, pages(1)[0], jobs.ErrExists},
			"a taken id, and a key": {jobs.BatchSpec{ID: "b1", Key: key("new", 1)}, pages(1)[0], jobs.ErrExists},
		} {
			_, err := f.AddJob(f.ctx(), refused.spec, refused.request, f.now)
			f.wantErr(err, refused.want, doing)
			_, err = f.Batch(f.ctx(), "b2")
			f.wantErr(err, jobs.ErrNotFound, "batch of "+doing)
		}
		f.wantErr(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b2", Priority: 101}, f.now), jobs.ErrInvalid, "create a batch of priority 101")
		wantSame(f, "jobs of b1", f.batch("b1").Counts.Rows, 1)
		f.addJob(jobs.BatchSpec{ID: "b3", Key: key("new", 1)}, pages(1)[0])
	}},
	{"many concurrent single jobs, some of them refused", func(f *fixture) {
		const n = 300
		concurrently(f, n, func(i int) error {
			id := fmt.Sprintf("b%d", i)
			if i%3 == 0 {
				id = "b0"
			}
			_, err := f.AddJob(f.ctx(), jobs.BatchSpec{ID: id}, pages(1)[0], f.now)
			if i%3 == 0 && errors.Is(err, jobs.ErrExists) {
				return nil
			}
			return err
		})
		f.check()
		totals, err := f.Totals(f.ctx())
		f.must(err, "totals")
		wantSame(f, "batches", totals.Batches[jobs.BatchOpen], n*2/3+1)
		wantSame(f, "jobs", totals.Counts.Of(jobs.Queued), n*2/3+1)
	}},
}

// addJob adds a single job.
func (f *fixture) addJob(spec jobs.BatchSpec, r jobs.Request) jobs.Job {
	f.t.Helper()
	j, err := f.AddJob(f.ctx(), spec, r, f.now)
	f.must(err, "add job %s", spec.ID)
	f.check()
	return j
}

// key returns a key. The number stands for the content of the request.
func key(name string, request byte) jobs.Key {
	return jobs.Key{Scope: "token", Name: name, Hash: [32]byte{request}}
}
