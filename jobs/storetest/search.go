package storetest

import (
	"cmp"
	"encoding/json"
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
	{"a shielded search does not look at user and password", func(b *book) {
		var requests []jobs.Request
		for _, url := range []string{"https://user:word@example.com/a", "https://example.com/word@b", "https://word@example.com", "https://example.com/?word@"} {
			requests = append(requests, jobs.Request{URL: url})
		}
		requests = append(requests, jobs.Request{URL: "user:word@example com", Reject: "not a URL"}, jobs.Request{URL: "word word", Reject: "not a URL"})
		b.open("b1", requests...)
		for text, want := range map[string][]int64{"word": {2, 4, 6}, "USER": nil, "@": {2, 4}, "https://example.com": {1, 2, 3, 4}, "example com": nil} {
			f := jobs.JobSearch{JobFilter: jobs.JobFilter{Limit: 10}, Text: text, Shielded: true}
			b.wantSearch(f, jobs.ID{}, want...)
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
	{"jobs are found by when they came in", func(b *book) {
		start := b.now
		for i := range 4 {
			b.open(fmt.Sprintf("b%d", i), pages(1)...)
			b.later(time.Second)
		}
		for _, asked := range []struct {
			since, until time.Time
			want         []jobs.ID
		}{
			{start, time.Time{}, []jobs.ID{row("b0", 1), row("b1", 1), row("b2", 1), row("b3", 1)}},
			{start.Add(time.Second), start.Add(3 * time.Second), []jobs.ID{row("b1", 1), row("b2", 1)}},
			{start.Add(time.Second + time.Nanosecond), start.Add(2*time.Second + time.Nanosecond), []jobs.ID{row("b2", 1)}},
			{time.Time{}, start, nil},
			{start.Add(time.Hour), time.Time{}, nil},
		} {
			for scan := range 4 {
				got := b.searchAll(jobs.JobSearch{Since: asked.since, Until: asked.until, Scan: scan})
				if !slices.Equal(got, asked.want) {
					b.t.Fatalf("from %s to %s, %d at a time: %v, want %v", asked.since, asked.until, scan, got, asked.want)
				}
			}
		}
	}},
	{"jobs are found by their error", func(b *book) {
		b.open("b1", append(pages(3), rejected(4, "no Scheme"))...)
		ids := b.pending("b1", 2)
		b.webhook(ids[0], jobs.OutcomeFailed)
		b.shut(timeOut(ids[1]))
		failed := b.job(ids[0]).Error
		for text, want := range map[string][]int64{"no scheme": {4}, failed: {1}, "%": nil, "nothing like it": nil} {
			b.wantSearch(jobs.JobSearch{Error: text}, jobs.ID{}, want...)
		}
		b.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}, Error: "scheme"}, jobs.ID{})
	}},
	{"jobs are found by a tag, of the row or of its batch", func(b *book) {
		requests := pages(8)
		for i, tags := range [][]string{
			{"spring"}, {"a", "spring"}, {"springs"}, {"x,spring"}, {`x"spring`}, {`"spring"`}, {`a,","b`, "ü"}, nil,
		} {
			requests[i].Tags = tags
		}
		b.open("b1", requests...)
		b.openAs(jobs.BatchSpec{ID: "b2", Tags: []string{"all", "spring"}}, pages(2)...)
		for tag, want := range map[string][]jobs.ID{
			"spring": {row("b1", 1), row("b1", 2), row("b2", 1), row("b2", 2)}, "all": {row("b2", 1), row("b2", 2)}, "springs": {row("b1", 3)},
			"x,spring": {row("b1", 4)}, `x"spring`: {row("b1", 5)}, `"spring"`: {row("b1", 6)}, `a,","b`: {row("b1", 7)}, "ü": {row("b1", 7)},
			"b": nil, "Spring": nil, "sprin": nil, "%": nil, "[": nil, `","`: nil,
		} {
			if got := b.searchAll(jobs.JobSearch{Tags: []string{tag}}); !slices.Equal(got, want) {
				b.t.Errorf("tag %q: %v, want %v", tag, got, want)
			}
			if got := b.searchAll(jobs.JobSearch{Tags: []string{tag}, Scan: 3, JobFilter: jobs.JobFilter{Limit: 1}}); !slices.Equal(got, want) {
				b.t.Errorf("tag %q, page by page: %v, want %v", tag, got, want)
			}
		}
		b.openAs(jobs.BatchSpec{ID: "b3", Tags: []string{"all"}}, jobs.Request{URL: "https://example.com/", Tags: []string{"own", "spring"}})
		for tags, want := range map[[2]string][]jobs.ID{
			{"spring", "a"}: {row("b1", 2)}, {"spring", "spring"}: {row("b1", 1), row("b1", 2), row("b2", 1), row("b2", 2), row("b3", 1)},
			{"all", "spring"}: {row("b2", 1), row("b2", 2), row("b3", 1)}, {"own", "all"}: {row("b3", 1)}, {"a", "springs"}: nil, {"a", ""}: {row("b1", 2)},
		} {
			if got := b.searchAll(jobs.JobSearch{Tags: tags[:], Scan: 3}); !slices.Equal(got, want) {
				b.t.Errorf("tags %q: %v, want %v", tags, got, want)
			}
		}
	}},
	{"jobs are found by their metadata", func(b *book) {
		fields := []jobs.Metadata{
			{"order": "17"}, {"order": json.Number("17")}, {"order": json.Number("170"), "z": "17"}, {"a": "b", "order": "17", "paid": true},
			{"order": json.Number("1.10")}, {"order": nil}, {"order": "null"}, {"note": `,"order":"17"`}, {"note": `{"order":17}`}, {"order": "<17>"},
			{`x"order`: "17"}, {"order": json.Number("12345678901234567890")}, {"a,": ":17}"}, {"order": ""}, {`a\`: "c"}, nil,
		}
		requests := pages(len(fields))
		for i := range fields {
			requests[i].Metadata = fields[i]
		}
		b.open("b1", requests...)
		for _, asked := range []struct {
			name, value string
			want        []int64
		}{
			{"order", "17", []int64{1, 2, 4}}, {"order", "170", []int64{3}}, {"z", "17", []int64{3}}, {"order", "1.10", []int64{5}}, {"order", "1.1", nil},
			{"order", "null", []int64{6, 7}}, {"paid", "true", []int64{4}}, {"paid", "false", nil}, {"order", "<17>", []int64{10}}, {`x"order`, "17", []int64{11}},
			{"order", "12345678901234567890", []int64{12}}, {":", "17", nil}, {"order", "", []int64{14}}, {`a\`, "c", []int64{15}}, {"Order", "17", nil},
			{"orde", "17", nil}, {"order", "7", nil}, {"order", "17 ", nil}, {"order", `"17"`, nil}, {"order", "[17]", nil}, {"", "", nil},
		} {
			b.wantSearch(jobs.JobSearch{Metadata: map[string]string{asked.name: asked.value}}, jobs.ID{}, asked.want...)
		}
		b.wantSearch(jobs.JobSearch{Metadata: map[string]string{"order": "17", "a": "b"}}, jobs.ID{}, 4)
		b.wantSearch(jobs.JobSearch{Metadata: map[string]string{"order": "17"}, Text: "/2"}, jobs.ID{}, 2)
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
