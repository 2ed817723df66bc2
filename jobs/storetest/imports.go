package storetest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var importTests = []test{
	{"a batch imports and then opens", func(b *book) {
		spec := jobs.BatchSpec{
			ID: "b1", Source: "list.csv", Columns: []string{"url", "note"},
			Params: jobs.Params{"size": "page", "width": 1280.0}, Tags: []string{"spring"},
			Apps: []jobs.App{{ID: "12"}, {ID: "34", PathTemplate: "{domain}/{id}.png"}}, JobTimeout: 7 * time.Minute,
		}
		created := b.now
		b.must(b.CreateBatch(b.ctx(), spec, created), "create batch")
		batch := b.batch("b1")
		if diff := cmp.Diff(spec, batch.BatchSpec); diff != "" {
			b.t.Fatalf("the spec changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(b, "state", batch.State, jobs.BatchImporting)
		b.wantTime("created", batch.CreatedAt, created)

		b.later(time.Second)
		b.must(b.AppendRequests(b.ctx(), "b1", pages(2), b.now), "append")
		b.check()
		opened, err := b.OpenBatch(b.ctx(), "b1", b.now)
		b.must(err, "open batch")
		wantSame(b, "state returned by OpenBatch", opened.State, jobs.BatchOpen)
		wantSame(b, "jobs returned by OpenBatch", opened.Counts.Of(jobs.Queued), 2)
		batch = b.batch("b1")
		wantSame(b, "state", batch.State, jobs.BatchOpen)
		wantSame(b, "revision", batch.Revision, 0)
		wantSame(b, "calls", batch.Counts.APICalls, 0)
		b.wantCredits("batch", batch.Counts.Cost, unknown)
		b.check()
	}},
	{"a request becomes a queued job as it was given", func(b *book) {
		want := jobs.Request{
			Line: 4, URL: "https://example.com/ä?q=1", Tags: []string{"one", "two"},
			Params: jobs.Params{"dark": true, "delay": 2.5, "shots": []any{1.0, "x"}, "steps": map[string]any{"a": "b"}},
			Metadata: jobs.Metadata{
				"sku": "A-1", "note": "quoted \"and\"\nbroken", "none": nil, "paid": true, "free": false,
				"order": json.Number("12345678901234567890"), "price": json.Number("1.10"), "far": json.Number("-1E+400"), "text": "17",
			}, Cells: []string{"https://example.com/ä?q=1", ""},
		}
		b.open("b1", want)
		j := b.wantState(row("b1", 1), jobs.Queued)
		got := jobs.Request{Line: j.Line, URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata, Cells: j.Cells}
		if diff := cmp.Diff(want, got); diff != "" {
			b.t.Fatalf("the request changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(b, "attempt before the first lease", j.Attempt, 0)
		b.wantTime("created", j.CreatedAt, b.now)
		if !j.SubmittedAt.IsZero() || !j.ClosedAt.IsZero() || !j.Deadline.IsZero() {
			b.t.Fatalf("a fresh job has times: %+v", j)
		}
	}},
	{"rows are numbered on across calls", func(b *book) {
		b.importing("b1", pages(3)...)
		more := pages(5)[3:]
		b.must(b.AppendRequests(b.ctx(), "b1", more, b.now), "append")
		b.check()
		wantSame(b, "URL of row 4", b.job(row("b1", 4)).URL, more[0].URL)
		wantSame(b, "rows", b.batch("b1").Counts.Rows, 5)
	}},
	{"a rejected row keeps its line and reason", func(b *book) {
		b.open("b1", page("https://example.com/"), rejected(7, "line 7: no scheme"))
		j := b.wantState(row("b1", 2), jobs.Rejected)
		wantSame(b, "line", j.Line, 7)
		wantSame(b, "reason", j.Error, "line 7: no scheme")
		wantSame(b, "accepted", b.batch("b1").Counts.Accepted(), 1)
		if leases := b.lease("b1", 1); leases[0].Job.ID.Row != 1 {
			b.t.Fatalf("leased %s", leases[0].Job.ID)
		}
		more, err := b.Lease(b.ctx(), "b1", "w1", 10, b.now, b.now.Add(leaseTime))
		b.must(err, "lease")
		wantSame(b, "leases of a rejected row", len(more), 0)
	}},
	{"rows equal in URL, parameters and tags are duplicates", func(b *book) {
		full := func() jobs.Request {
			return jobs.Request{URL: "https://example.com/", Params: jobs.Params{"a": 1.0, "b": "x"}, Tags: []string{"t"}}
		}
		otherURL, otherParams, otherTags, otherMetadata := full(), full(), full(), full()
		otherURL.URL = "https://example.com/other"
		otherParams.Params["a"] = 2.0
		otherTags.Tags = []string{"u"}
		otherMetadata.Metadata = jobs.Metadata{"sku": "7"}
		otherMetadata.Line = 99
		empty, none := page("https://example.com/"), page("https://example.com/")
		empty.Params, empty.Tags = jobs.Params{}, []string{}

		b.importing("b1", full(), otherURL, otherParams, otherTags, full())
		b.must(b.AppendRequests(b.ctx(), "b1", []jobs.Request{otherMetadata, full(), empty, none}, b.now), "append")
		b.check()
		opened, err := b.OpenBatch(b.ctx(), "b1", b.now)
		b.must(err, "open batch")
		b.check()
		var of []int64
		for _, r := range b.allRows("b1") {
			of = append(of, r.DuplicateOf)
			if (r.DuplicateOf != 0) != (r.State == jobs.Duplicate) {
				b.t.Fatalf("row %d is %s, duplicate of %d", r.ID.Row, r.State, r.DuplicateOf)
			}
		}
		if want := []int64{0, 0, 0, 0, 1, 1, 1, 0, 8}; !slices.Equal(of, want) {
			b.t.Fatalf("duplicates of %v, want %v", of, want)
		}
		wantSame(b, "duplicates counted", opened.Counts.Of(jobs.Duplicate), 4)
		wantSame(b, "queued", opened.Counts.Of(jobs.Queued), 5)
	}},
	{"equal rows of two batches are no duplicates", func(b *book) {
		b.open("b1", pages(1)...)
		b.open("b2", pages(1)...)
		b.wantState(row("b2", 1), jobs.Queued)
	}},
	{"many duplicates are found however many transactions it takes", func(b *book) {
		b.importing("b1")
		for range 6 {
			b.must(b.AppendRequests(b.ctx(), "b1", pages(500), b.now), "append")
		}
		opened, err := b.OpenBatch(b.ctx(), "b1", b.now)
		b.must(err, "open batch")
		wantSame(b, "queued", opened.Counts.Of(jobs.Queued), 500)
		wantSame(b, "duplicates", opened.Counts.Of(jobs.Duplicate), 2500)
		wantSame(b, "row 2777 repeats", b.job(row("b1", 2777)).DuplicateOf, 277)
		b.check()
	}},
	{"a batch without a job to do is finished at once", func(b *book) {
		for batch, requests := range map[string][]jobs.Request{
			"rejects": {rejected(1, "no"), rejected(2, "no")},
			"empty":   nil,
		} {
			opened := b.open(batch, requests...)
			wantSame(b, batch+" state", opened.State, jobs.BatchFinished)
			wantSame(b, batch+" revision", opened.Revision, 1)
			b.wantTime(batch+" finished", b.batch(batch).FinishedAt, b.now)
		}
		wantSame(b, "events", len(b.allEvents()), 2)
		work, err := b.ClaimWork(b.ctx(), b.now.Add(time.Hour), b.now.Add(2*time.Hour), workLimit)
		b.must(err, "claim work")
		wantSame(b, "summaries owed", len(work), 2)
	}},
	{"rows come only while importing", func(b *book) {
		b.open("b1", pages(1)...)
		b.wantErr(b.AppendRequests(b.ctx(), "b1", pages(1), b.now), jobs.ErrState, "append to an open batch")
		_, err := b.OpenBatch(b.ctx(), "b1", b.now)
		b.wantErr(err, jobs.ErrState, "open an open batch")
		b.wantErr(b.AppendRequests(b.ctx(), "nothere", pages(1), b.now), jobs.ErrNotFound, "append to no batch")
		_, err = b.OpenBatch(b.ctx(), "nothere", b.now)
		b.wantErr(err, jobs.ErrNotFound, "open no batch")
	}},
	{"ids are taken once and have a form", func(b *book) {
		b.open("b1", pages(2)...)
		b.wantErr(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b1", Source: "other"}, b.now), jobs.ErrExists, "create b1 again")
		wantSame(b, "rows of the first b1", b.batch("b1").Counts.Rows, 2)
		for _, id := range []string{"", "B1", "a-b", "a b", "ä", "abcdefghij0123456789x"} {
			b.wantErr(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: id}, b.now), jobs.ErrInvalid, "create batch "+id)
		}
	}},
	{"an import can be removed, an open batch not", func(b *book) {
		b.importing("b1", pages(700)...)
		b.open("b2", pages(2)...)
		b.must(b.RemoveImport(b.ctx(), "b1"), "remove import")
		_, err := b.Batch(b.ctx(), "b1")
		b.wantErr(err, jobs.ErrNotFound, "removed batch")
		_, err = b.Job(b.ctx(), row("b1", 1))
		b.wantErr(err, jobs.ErrNotFound, "job of a removed batch")
		b.open("b1", pages(1)...)
		wantSame(b, "rows of the new b1", b.batch("b1").Counts.Rows, 1)

		b.wantErr(b.RemoveImport(b.ctx(), "b2"), jobs.ErrState, "remove an open batch")
		wantSame(b, "rows of b2", b.batch("b2").Counts.Rows, 2)
	}},
	{"an import is stale when its last row is old", func(b *book) {
		b.importing("empty")
		b.importing("fed", pages(1)...)
		b.open("opened", pages(1)...)
		start := b.now
		b.later(time.Minute)
		b.must(b.AppendRequests(b.ctx(), "fed", pages(2)[1:], b.now), "append")
		stale := func(before time.Time) []string {
			ids, err := b.StaleImports(b.ctx(), before)
			b.must(err, "stale imports")
			slices.Sort(ids)
			return ids
		}
		if got := stale(start); len(got) != 0 {
			b.t.Fatalf("stale before anything began: %v", got)
		}
		if got := stale(start.Add(time.Second)); !slices.Equal(got, []string{"empty"}) {
			b.t.Fatalf("stale %v, want the one that got no row", got)
		}
		if got := stale(b.now.Add(time.Second)); !slices.Equal(got, []string{"empty", "fed"}) {
			b.t.Fatalf("stale %v, want both imports", got)
		}
	}},
}
