package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

var searchTests = []test{
	{"a search goes through everything, in pages, in both directions", func(b *book) {
		all := b.shelf()
		failed := func(j jobs.Job) bool { return j.State == jobs.Failed }
		for name, asked := range map[string]struct {
			search jobs.JobSearch
			want   func(jobs.Job) bool
		}{
			"all":             {jobs.JobSearch{}, func(jobs.Job) bool { return true }},
			"a batch":         {jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "m"}}, func(j jobs.Job) bool { return j.ID.Batch == "m" }},
			"a state":         {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}}, failed},
			"a state's batch": {jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "z", States: []jobs.State{jobs.Failed}}}, func(j jobs.Job) bool { return failed(j) && j.ID.Batch == "z" }},
			"two states": {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Queued, jobs.Rejected}}},
				func(j jobs.Job) bool { return j.State == jobs.Queued || j.State == jobs.Rejected }},
			"a text":        {jobs.JobSearch{Text: "Example.com/7"}, func(j jobs.Job) bool { return j.URL == "https://example.com/7" }},
			"no such text":  {jobs.JobSearch{Text: "nowhere"}, func(jobs.Job) bool { return false }},
			"no such state": {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.TimedOut}}}, func(jobs.Job) bool { return false }},
			"text and state": {jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}, Text: "/1"},
				func(j jobs.Job) bool { return failed(j) && j.URL == "https://example.com/1" }},
		} {
			for _, newest := range []bool{false, true} {
				var want []jobs.ID
				for _, j := range all {
					if asked.want(j) {
						want = append(want, j.ID)
					}
				}
				if newest {
					slices.Reverse(want)
				}
				for _, bounds := range []struct{ limit, scan int }{{0, 0}, {1, 0}, {2, 3}, {3, 1}, {1, 5}, {4, 4}, {1000, 1000}} {
					f := asked.search
					f.Newest, f.Limit, f.Scan = newest, bounds.limit, bounds.scan
					if got := b.searchAll(f); !slices.Equal(got, want) {
						b.t.Fatalf("%s, newest first: %t, %+v: found %v, want %v", name, newest, bounds, got, want)
					}
				}
			}
		}
	}},
	{"a page ends where it had to stop looking", func(b *book) {
		b.open("b1", pages(10)...)
		f := jobs.JobSearch{Text: "/9", Scan: 4}
		b.wantSearch(f, row("b1", 4))
		f.After = row("b1", 4)
		b.wantSearch(f, row("b1", 8))
		f.After = row("b1", 8)
		b.wantSearch(f, jobs.ID{}, 9)
		f.Scan = 2 // just what is left
		b.wantSearch(f, jobs.ID{}, 9)
		f.Scan = 4
		f.Newest, f.After = true, jobs.ID{}
		b.wantSearch(f, row("b1", 7), 9)
		f.After = row("b1", 7)
		b.wantSearch(f, row("b1", 3))
		f.After = row("b1", 3)
		b.wantSearch(f, jobs.ID{})
	}},
	{"a full page says whether there is more", func(b *book) {
		b.open("b1", pages(4)...)
		f := jobs.JobSearch{JobFilter: jobs.JobFilter{Limit: 2}}
		b.wantSearch(f, row("b1", 2), 1, 2)
		f.After = row("b1", 2)
		b.wantSearch(f, jobs.ID{}, 3, 4)
		f.After = row("b1", 4)
		b.wantSearch(f, jobs.ID{})
	}},
	{"a page of large rows ends early", func(b *book) {
		requests := pages(12)
		for i := range requests {
			requests[i].Metadata = jobs.Metadata{"note": strings.Repeat("x", 1<<20)}
		}
		b.open("b1", requests...)
		page, next, err := b.Search(b.ctx(), jobs.JobSearch{})
		b.must(err, "search")
		if len(page) == 0 || len(page) > 10 || next != page[len(page)-1].ID {
			b.t.Errorf("a page of %d jobs of a megabyte, the next begins after %s", len(page), next)
		}
		wantSame(b, "jobs on all pages", len(b.searchAll(jobs.JobSearch{})), len(requests))
	}},
	{"a text is found as it is written", func(b *book) {
		b.open("b1", page("https://example.com/A%20b_c"), page("https://example.com/Äx"), page("https://example.com/äX"))
		for text, want := range map[string][]int64{"a%20B_C": {1}, "%": {1}, "_": {1}, "EXAMPLE": {1, 2, 3}, "Äx": {2}, "ÄX": {2}, "äx": {3}, `\`: nil} {
			b.wantSearch(jobs.JobSearch{Text: text}, jobs.ID{}, want...)
		}
	}},
	{"what a search begins at must be there", func(b *book) {
		b.open("b1", pages(1)...)
		for _, f := range []jobs.JobFilter{{Batch: "nothere"}, {After: row("nothere", 1)}} {
			_, _, err := b.Search(b.ctx(), jobs.JobSearch{JobFilter: f})
			b.wantErr(err, jobs.ErrNotFound, "search")
		}
		b.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{After: row("b1", 7)}}, jobs.ID{})
	}},
}

// shelf makes batches whose names are not in the order of their making, with
// rows in several states, and returns all rows.
func (b *book) shelf() (all []jobs.Job) {
	b.t.Helper()
	for i, batch := range []string{"z", "m", "a"} {
		requests := append(pages(7+i), rejected(99, "bad"))
		b.open(batch, requests...)
		b.later(time.Second)
		for n, id := range b.pending(batch, 4) {
			if n%2 == i%2 {
				b.webhook(id, jobs.OutcomeFailed)
			}
		}
		all = append(all, jobsOf(b.allRows(batch))...)
	}
	return all
}

// searchAll follows a search from page to page.
func (b *book) searchAll(f jobs.JobSearch) (found []jobs.ID) {
	b.t.Helper()
	for range 1000 {
		page, next, err := b.Search(b.ctx(), f)
		b.must(err, "search %+v", f)
		if limit := cmp.Or(f.Limit, 100); len(page) > limit {
			b.t.Fatalf("search %+v: a page of %d jobs", f, len(page))
		}
		for _, j := range page {
			found = append(found, j.ID)
		}
		if next.IsZero() {
			return found
		}
		f.After = next
	}
	b.t.Fatalf("search %+v does not end", f)
	return nil
}

// wantSearch asserts one page of batch b1, and where the next one begins.
func (b *book) wantSearch(f jobs.JobSearch, next jobs.ID, rows ...int64) {
	b.t.Helper()
	page, got, err := b.Search(b.ctx(), f)
	b.must(err, "search %+v", f)
	b.wantRows(fmt.Sprintf("search %+v", f), page, rows...)
	wantSame(b, fmt.Sprintf("next page of %+v", f), got, next)
}
