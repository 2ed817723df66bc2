package storetest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var importTests = []test{
	{"a batch imports and then opens", func(f *fixture) {
		spec := jobs.BatchSpec{
			ID: "b1", Source: "list.csv", Columns: []string{"url", "note"},
			Params: jobs.Params{"size": "page", "width": 1280.0}, Tags: []string{"spring"},
			Apps: []jobs.App{{ID: "12"}, {ID: "34", PathTemplate: "{domain}/{id}.png"}}, JobTimeout: 7 * time.Minute,
			Dialect: jobs.Dialect{Delimiter: "\t", BOM: true, CRLF: true}, RerunOf: "b0",
		}
		created := f.now
		f.must(f.CreateBatch(f.ctx(), spec, created), "create batch")
		batch := f.batch("b1")
		if diff := cmp.Diff(spec, batch.BatchSpec); diff != "" {
			f.t.Fatalf("the spec changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(f, "state", batch.State, jobs.BatchImporting)
		f.wantTime("created", batch.CreatedAt, created)

		f.later(time.Second)
		f.must(f.AppendRequests(f.ctx(), "b1", pages(2), f.now), "append")
		f.check()
		opened, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.must(err, "open batch")
		wantSame(f, "state returned by OpenBatch", opened.State, jobs.BatchOpen)
		wantSame(f, "jobs returned by OpenBatch", opened.Counts.Of(jobs.Queued), 2)
		batch = f.batch("b1")
		wantSame(f, "state", batch.State, jobs.BatchOpen)
		wantSame(f, "revision", batch.Revision, 0)
		wantSame(f, "calls", batch.Counts.APICalls, 0)
		f.wantCredits("batch", batch.Counts.Cost, unknown)
		f.check()
	}},
	{"a request becomes a queued job unchanged", func(f *fixture) {
		want := jobs.Request{
			Line: 4, URL: "https://example.com/ä?q=1", Tags: []string{"one", "two"},
			Params: jobs.Params{"dark": true, "delay": 2.5, "shots": []any{1.0, "x"}, "steps": map[string]any{"a": "b"}},
			Metadata: jobs.Metadata{
				"sku": "A-1", "note": "quoted \"and\"\nbroken", "none": nil, "paid": true, "free": false,
				"order": json.Number("12345678901234567890"), "price": json.Number("1.10"), "far": json.Number("-1E+400"), "text": "17",
			}, Cells: []string{"https://example.com/ä?q=1", ""},
		}
		f.open("b1", want)
		j := f.wantState(row("b1", 1), jobs.Queued)
		got := jobs.Request{Line: j.Line, URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata, Cells: j.Cells}
		if diff := cmp.Diff(want, got); diff != "" {
			f.t.Fatalf("the request changed on its way (-given +kept):\n%s", diff)
		}
		wantSame(f, "attempt before the first lease", j.Attempt, 0)
		f.wantTime("created", j.CreatedAt, f.now)
		if !j.SubmittedAt.IsZero() || !j.ClosedAt.IsZero() || !j.Deadline.IsZero() {
			f.t.Fatalf("a fresh job has times: %+v", j)
		}
	}},
	{"requests are read as they were appended", func(f *fixture) {
		f.importing("b1")
		given := requestsOfAllKinds()
		f.must(f.AppendRequests(f.ctx(), "b1", given, f.now), "append")
		if diff := cmp.Diff(given, f.allRequests("b1", 2)); diff != "" {
			f.t.Fatalf("the requests changed on their way (-given +read):\n%s", diff)
		}
		_, err := f.Requests(f.ctx(), "nothere", 0, 10)
		f.wantErr(err, jobs.ErrNotFound, "requests of no batch")
	}},
	{"a batch of the requests of another has the same rows", func(f *fixture) {
		f.open("b1", requestsOfAllKinds()...)
		f.webhook(f.pending("b1", 1)[0], jobs.OutcomeFailed)
		f.openSpec(jobs.BatchSpec{ID: "b2", RerunOf: "b1"}, f.allRequests("b1", 100)...)
		first, second := f.allRows("b1"), f.allRows("b2")
		wantSame(f, "rows", len(second), len(first))
		for i, r := range second {
			state := first[i].State
			if state != jobs.Duplicate && state != jobs.Rejected {
				state = jobs.Queued
			}
			wantSame(f, "state", r.State, state)
			wantSame(f, "duplicate of", r.DuplicateOf, first[i].DuplicateOf)
			wantSame(f, "reason", r.Error, map[bool]string{true: first[i].Error}[state == jobs.Rejected])
		}
		wantSame(f, "rerun of", f.batch("b2").RerunOf, "b1")
		wantSame(f, "rerun of the first", f.batch("b1").RerunOf, "")
	}},
	{"row numbers continue across calls", func(f *fixture) {
		f.importing("b1", pages(3)...)
		more := pages(5)[3:]
		f.must(f.AppendRequests(f.ctx(), "b1", more, f.now), "append")
		f.check()
		wantSame(f, "URL of row 4", f.job(row("b1", 4)).URL, more[0].URL)
		wantSame(f, "rows", f.batch("b1").Counts.Rows, 5)
	}},
	{"a rejected row keeps its line and reason", func(f *fixture) {
		f.open("b1", page("https://example.com/"), rejected(7, "line 7: no scheme"))
		j := f.wantState(row("b1", 2), jobs.Rejected)
		wantSame(f, "line", j.Line, 7)
		wantSame(f, "reason", j.Error, "line 7: no scheme")
		wantSame(f, "accepted", f.batch("b1").Counts.Accepted(), 1)
		if leases := f.lease("b1", 1); leases[0].Job.ID.Row != 1 {
			f.t.Fatalf("leased %s", leases[0].Job.ID)
		}
		more, err := f.Lease(f.ctx(), "b1", "w1", 10, f.now, f.now.Add(leaseTime))
		f.must(err, "lease")
		wantSame(f, "leases of a rejected row", len(more), 0)
	}},
	{"rows equal in URL, parameters and tags are duplicates", func(f *fixture) {
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

		f.importing("b1", full(), otherURL, otherParams, otherTags, full())
		f.must(f.AppendRequests(f.ctx(), "b1", []jobs.Request{otherMetadata, full(), empty, none}, f.now), "append")
		f.check()
		opened, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.must(err, "open batch")
		f.check()
		var of []int64
		for _, r := range f.allRows("b1") {
			of = append(of, r.DuplicateOf)
			if (r.DuplicateOf != 0) != (r.State == jobs.Duplicate) {
				f.t.Fatalf("row %d is %s, duplicate of %d", r.ID.Row, r.State, r.DuplicateOf)
			}
		}
		if want := []int64{0, 0, 0, 0, 1, 1, 1, 0, 8}; !slices.Equal(of, want) {
			f.t.Fatalf("duplicates of %v, want %v", of, want)
		}
		wantSame(f, "duplicates counted", opened.Counts.Of(jobs.Duplicate), 4)
		wantSame(f, "queued", opened.Counts.Of(jobs.Queued), 5)
	}},
	{"equal rows of two batches are not duplicates", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.open("b2", pages(1)...)
		f.wantState(row("b2", 1), jobs.Queued)
	}},
	{"many duplicates are found across transactions", func(f *fixture) {
		f.importing("b1")
		for range 6 {
			f.must(f.AppendRequests(f.ctx(), "b1", pages(500), f.now), "append")
		}
		opened, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.must(err, "open batch")
		wantSame(f, "queued", opened.Counts.Of(jobs.Queued), 500)
		wantSame(f, "duplicates", opened.Counts.Of(jobs.Duplicate), 2500)
		wantSame(f, "row 2777 repeats", f.job(row("b1", 2777)).DuplicateOf, 277)
		f.check()
	}},
	{"a batch without a job to do is finished at once", func(f *fixture) {
		for batch, requests := range map[string][]jobs.Request{
			"rejects": {rejected(1, "no"), rejected(2, "no")},
			"empty":   nil,
		} {
			opened := f.open(batch, requests...)
			wantSame(f, batch+" state", opened.State, jobs.BatchFinished)
			wantSame(f, batch+" revision", opened.Revision, 1)
			f.wantTime(batch+" finished", f.batch(batch).FinishedAt, f.now)
		}
		wantSame(f, "events", len(f.allEvents()), 2)
		work, err := f.ClaimWork(f.ctx(), f.now.Add(time.Hour), f.now.Add(2*time.Hour), workLimit)
		f.must(err, "claim work")
		wantSame(f, "summaries to make", len(work), 2)
	}},
	{"rows can be added only while importing", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.wantErr(f.AppendRequests(f.ctx(), "b1", pages(1), f.now), jobs.ErrState, "append to an open batch")
		_, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.wantErr(err, jobs.ErrState, "open an open batch")
		f.wantErr(f.AppendRequests(f.ctx(), "nothere", pages(1), f.now), jobs.ErrNotFound, "append to no batch")
		_, err = f.OpenBatch(f.ctx(), "nothere", f.now)
		f.wantErr(err, jobs.ErrNotFound, "open an unknown batch")
	}},
	{"ids are unique and must be valid", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.wantErr(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b1", Source: "other"}, f.now), jobs.ErrExists, "create b1 again")
		wantSame(f, "rows of the first b1", f.batch("b1").Counts.Rows, 2)
		for _, id := range []string{"", "B1", "a-b", "a b", "ä", "abcdefghij0123456789x"} {
			f.wantErr(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: id}, f.now), jobs.ErrInvalid, "create batch "+id)
		}
	}},
	{"an import can be removed, an open batch not", func(f *fixture) {
		f.importing("b1", pages(700)...)
		f.open("b2", pages(2)...)
		f.must(f.RemoveImport(f.ctx(), "b1"), "remove import")
		_, err := f.Batch(f.ctx(), "b1")
		f.wantErr(err, jobs.ErrNotFound, "removed batch")
		_, err = f.Job(f.ctx(), row("b1", 1))
		f.wantErr(err, jobs.ErrNotFound, "job of a removed batch")
		f.open("b1", pages(1)...)
		wantSame(f, "rows of the new b1", f.batch("b1").Counts.Rows, 1)

		f.wantErr(f.RemoveImport(f.ctx(), "b2"), jobs.ErrState, "remove an open batch")
		wantSame(f, "rows of b2", f.batch("b2").Counts.Rows, 2)
	}},
	{"an import is stale when its last row is old", func(f *fixture) {
		f.importing("empty")
		f.importing("fed", pages(1)...)
		f.open("opened", pages(1)...)
		start := f.now
		f.later(time.Minute)
		f.must(f.AppendRequests(f.ctx(), "fed", pages(2)[1:], f.now), "append")
		stale := func(before time.Time) []string {
			ids, err := f.StaleImports(f.ctx(), before)
			f.must(err, "stale imports")
			slices.Sort(ids)
			return ids
		}
		if got := stale(start); len(got) != 0 {
			f.t.Fatalf("stale before anything began: %v", got)
		}
		if got := stale(start.Add(time.Second)); !slices.Equal(got, []string{"empty"}) {
			f.t.Fatalf("stale %v, want the one that got no row", got)
		}
		if got := stale(f.now.Add(time.Second)); !slices.Equal(got, []string{"empty", "fed"}) {
			f.t.Fatalf("stale %v, want both imports", got)
		}
	}},
}

// requestsOfAllKinds returns requests with all fields and options, a rejected row
// and a duplicate.
func requestsOfAllKinds() []jobs.Request {
	all := jobs.Request{
		Line: 2, URL: "https://example.com/all", Params: jobs.Params{"dark": true, "steps": []any{"a", 1.5}}, Tags: []string{"one", "two"},
		Metadata: jobs.Metadata{"sku": "A-1", "price": json.Number("1.10"), "none": nil}, Cells: []string{"https://example.com/all", "A-1", ""},
		CallbackURL: "https://one.example/hook", Timeout: 7 * time.Second, Priority: new(-3),
	}
	again := all
	again.Line = 5
	bare := page("https://example.com/bare")
	bare.Line = 3
	bare.Priority = new(0)
	bad := rejected(4, "line 4: no scheme")
	bad.URL, bad.Cells = "no scheme", []string{"no scheme", "A-2", "x"}
	return []jobs.Request{all, bare, bad, again}
}
