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
	{"a search reads all jobs, in pages, in both directions", func(f *fixture) {
		all := f.searchableBatches()
		failed := func(j jobs.Job) bool { return j.State == jobs.Failed }
		for name, test := range map[string]struct {
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
					if test.want(j) {
						want = append(want, j.ID)
					}
				}
				if newest {
					slices.Reverse(want)
				}
				for _, bounds := range []struct{ limit, scan int }{{0, 0}, {1, 0}, {2, 3}, {3, 1}, {1, 5}, {4, 4}, {1000, 1000}} {
					filter := test.search
					filter.Newest, filter.Limit, filter.Scan = newest, bounds.limit, bounds.scan
					if got := f.searchAll(filter); !slices.Equal(got, want) {
						f.t.Fatalf("%s, newest first: %t, %+v: found %v, want %v", name, newest, bounds, got, want)
					}
				}
			}
		}
	}},
	{"a shielded search ignores user and password", func(f *fixture) {
		var requests []jobs.Request
		for _, url := range []string{"https://user:word@example.com/a", "https://example.com/word@b", "https://word@example.com", "https://example.com/?word@"} {
			requests = append(requests, jobs.Request{URL: url})
		}
		requests = append(requests, jobs.Request{URL: "user:word@example com", Reject: "not a URL"}, jobs.Request{URL: "word word", Reject: "not a URL"})
		f.open("b1", requests...)
		for text, want := range map[string][]int64{"word": {2, 4, 6}, "USER": nil, "@": {2, 4}, "https://example.com": {1, 2, 3, 4}, "example com": nil} {
			filter := jobs.JobSearch{JobFilter: jobs.JobFilter{Limit: 10}, Text: text, Shielded: true}
			f.wantSearch(filter, jobs.ID{}, want...)
		}
	}},
	{"a page ends where the scan limit is reached", func(f *fixture) {
		f.open("b1", pages(10)...)
		filter := jobs.JobSearch{Text: "/9", Scan: 4}
		f.wantSearch(filter, row("b1", 4))
		filter.After = row("b1", 4)
		f.wantSearch(filter, row("b1", 8))
		filter.After = row("b1", 8)
		f.wantSearch(filter, jobs.ID{}, 9)
		filter.Scan = 2 // exactly the rest
		f.wantSearch(filter, jobs.ID{}, 9)
		filter.Scan = 4
		filter.Newest, filter.After = true, jobs.ID{}
		f.wantSearch(filter, row("b1", 7), 9)
		filter.After = row("b1", 7)
		f.wantSearch(filter, row("b1", 3))
		filter.After = row("b1", 3)
		f.wantSearch(filter, jobs.ID{})
	}},
	{"a full page reports whether there is more", func(f *fixture) {
		f.open("b1", pages(4)...)
		filter := jobs.JobSearch{JobFilter: jobs.JobFilter{Limit: 2}}
		f.wantSearch(filter, row("b1", 2), 1, 2)
		filter.After = row("b1", 2)
		f.wantSearch(filter, jobs.ID{}, 3, 4)
		filter.After = row("b1", 4)
		f.wantSearch(filter, jobs.ID{})
	}},
	{"a page of large rows ends early", func(f *fixture) {
		requests := pages(12)
		for i := range requests {
			requests[i].Metadata = jobs.Metadata{"note": strings.Repeat("x", 1<<20)}
		}
		f.uncheckedSteps = true // the audit reads all rows
		f.open("b1", requests...)
		page, next, err := f.Search(f.ctx(), jobs.JobSearch{})
		f.must(err, "search")
		if len(page) == 0 || len(page) > 10 || next != page[len(page)-1].ID {
			f.t.Errorf("a page of %d jobs of a megabyte, the next begins after %s", len(page), next)
		}
		wantSame(f, "jobs on all pages", len(f.searchAll(jobs.JobSearch{})), len(requests))
	}},
	{"a text is matched literally", func(f *fixture) {
		f.open("b1", page("https://example.com/A%20b_c"), page("https://example.com/Äx"), page("https://example.com/äX"))
		for text, want := range map[string][]int64{"a%20B_C": {1}, "%": {1}, "_": {1}, "EXAMPLE": {1, 2, 3}, "Äx": {2}, "ÄX": {2}, "äx": {3}, `\`: nil} {
			f.wantSearch(jobs.JobSearch{Text: text}, jobs.ID{}, want...)
		}
	}},
	{"a text is found in other spellings", func(f *fixture) {
		f.open("b1", page("https://xn--bcher-kva.example/"), page("https://example.com/b%C3%BCcher"), page("https://bücher.example/"), page("https://example.com/"),
			page("https://user:xn--bcher-kva@example.com/"))
		spellings := []string{"XN--bcher-kva", "b%c3%bccher"}
		f.wantSearch(jobs.JobSearch{Text: "bücher", Spellings: spellings}, jobs.ID{}, 1, 2, 3, 5)
		f.wantSearch(jobs.JobSearch{Text: "bücher", Spellings: spellings, Shielded: true}, jobs.ID{}, 1, 2, 3)
		f.wantSearch(jobs.JobSearch{Text: "bücher", Spellings: spellings[1:]}, jobs.ID{}, 2, 3)
		f.wantSearch(jobs.JobSearch{Text: "nowhere", Spellings: spellings[:1], JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}}, jobs.ID{})
		f.wantSearch(jobs.JobSearch{Text: "bücher"}, jobs.ID{}, 3)
	}},
	{"jobs are found by their import time", func(f *fixture) {
		start := f.now
		for i := range 4 {
			f.open(fmt.Sprintf("b%d", i), pages(1)...)
			f.later(time.Second)
		}
		for _, test := range []struct {
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
				got := f.searchAll(jobs.JobSearch{Since: test.since, Until: test.until, Scan: scan})
				if !slices.Equal(got, test.want) {
					f.t.Fatalf("from %s to %s, %d at a time: %v, want %v", test.since, test.until, scan, got, test.want)
				}
			}
		}
	}},
	{"jobs are found by their error", func(f *fixture) {
		f.open("b1", append(pages(3), rejected(4, "no Scheme"))...)
		ids := f.pending("b1", 2)
		f.webhook(ids[0], jobs.OutcomeFailed)
		f.closeJobs(timeOut(ids[1]))
		failed := f.job(ids[0]).Error
		for text, want := range map[string][]int64{"no scheme": {4}, failed: {1}, "%": nil, "nothing like it": nil} {
			f.wantSearch(jobs.JobSearch{Error: text}, jobs.ID{}, want...)
		}
		f.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{States: []jobs.State{jobs.Failed}}, Error: "scheme"}, jobs.ID{})
	}},
	{"jobs are found by a tag, of the row or of its batch", func(f *fixture) {
		requests := pages(8)
		for i, tags := range [][]string{
			{"spring"}, {"a", "spring"}, {"springs"}, {"x,spring"}, {`x"spring`}, {`"spring"`}, {`a,","b`, "ü"}, nil,
		} {
			requests[i].Tags = tags
		}
		f.open("b1", requests...)
		f.openSpec(jobs.BatchSpec{ID: "b2", Tags: []string{"all", "spring"}}, pages(2)...)
		for tag, want := range map[string][]jobs.ID{
			"spring": {row("b1", 1), row("b1", 2), row("b2", 1), row("b2", 2)}, "all": {row("b2", 1), row("b2", 2)}, "springs": {row("b1", 3)},
			"x,spring": {row("b1", 4)}, `x"spring`: {row("b1", 5)}, `"spring"`: {row("b1", 6)}, `a,","b`: {row("b1", 7)}, "ü": {row("b1", 7)},
			"b": nil, "Spring": nil, "sprin": nil, "%": nil, "[": nil, `","`: nil,
		} {
			if got := f.searchAll(jobs.JobSearch{Tags: []string{tag}}); !slices.Equal(got, want) {
				f.t.Errorf("tag %q: %v, want %v", tag, got, want)
			}
			if got := f.searchAll(jobs.JobSearch{Tags: []string{tag}, Scan: 3, JobFilter: jobs.JobFilter{Limit: 1}}); !slices.Equal(got, want) {
				f.t.Errorf("tag %q, page by page: %v, want %v", tag, got, want)
			}
		}
		f.openSpec(jobs.BatchSpec{ID: "b3", Tags: []string{"all"}}, jobs.Request{URL: "https://example.com/", Tags: []string{"own", "spring"}})
		for tags, want := range map[[2]string][]jobs.ID{
			{"spring", "a"}: {row("b1", 2)}, {"spring", "spring"}: {row("b1", 1), row("b1", 2), row("b2", 1), row("b2", 2), row("b3", 1)},
			{"all", "spring"}: {row("b2", 1), row("b2", 2), row("b3", 1)}, {"own", "all"}: {row("b3", 1)}, {"a", "springs"}: nil, {"a", ""}: {row("b1", 2)},
		} {
			if got := f.searchAll(jobs.JobSearch{Tags: tags[:], Scan: 3}); !slices.Equal(got, want) {
				f.t.Errorf("tags %q: %v, want %v", tags, got, want)
			}
		}
	}},
	{"jobs are found by their metadata", func(f *fixture) {
		fields := []jobs.Metadata{
			{"order": "17"}, {"order": json.Number("17")}, {"order": json.Number("170"), "z": "17"}, {"a": "b", "order": "17", "paid": true},
			{"order": json.Number("1.10")}, {"order": nil}, {"order": "null"}, {"note": `,"order":"17"`}, {"note": `{"order":17}`}, {"order": "<17>"},
			{`x"order`: "17"}, {"order": json.Number("12345678901234567890")}, {"a,": ":17}"}, {"order": ""}, {`a\`: "c"}, nil,
		}
		requests := pages(len(fields))
		for i := range fields {
			requests[i].Metadata = fields[i]
		}
		f.open("b1", requests...)
		for _, test := range []struct {
			name, value string
			want        []int64
		}{
			{"order", "17", []int64{1, 2, 4}}, {"order", "170", []int64{3}}, {"z", "17", []int64{3}}, {"order", "1.10", []int64{5}}, {"order", "1.1", nil},
			{"order", "null", []int64{6, 7}}, {"paid", "true", []int64{4}}, {"paid", "false", nil}, {"order", "<17>", []int64{10}}, {`x"order`, "17", []int64{11}},
			{"order", "12345678901234567890", []int64{12}}, {":", "17", nil}, {"order", "", []int64{14}}, {`a\`, "c", []int64{15}}, {"Order", "17", nil},
			{"orde", "17", nil}, {"order", "7", nil}, {"order", "17 ", nil}, {"order", `"17"`, nil}, {"order", "[17]", nil}, {"", "", nil},
		} {
			f.wantSearch(jobs.JobSearch{Metadata: map[string]string{test.name: test.value}}, jobs.ID{}, test.want...)
		}
		f.wantSearch(jobs.JobSearch{Metadata: map[string]string{"order": "17", "a": "b"}}, jobs.ID{}, 4)
		f.wantSearch(jobs.JobSearch{Metadata: map[string]string{"order": "17"}, Text: "/2"}, jobs.ID{}, 2)
	}},
	{"the start of a search must exist", func(f *fixture) {
		f.open("b1", pages(1)...)
		for _, filter := range []jobs.JobFilter{{Batch: "nothere"}, {After: row("nothere", 1)}} {
			_, _, err := f.Search(f.ctx(), jobs.JobSearch{JobFilter: filter})
			f.wantErr(err, jobs.ErrNotFound, "search")
		}
		f.wantSearch(jobs.JobSearch{JobFilter: jobs.JobFilter{After: row("b1", 7)}}, jobs.ID{})
	}},
}

// searchableBatches makes batches with rows in several states, and returns all
// rows. The names of the batches are not in the order of their creation.
func (f *fixture) searchableBatches() (all []jobs.Job) {
	f.t.Helper()
	for i, batch := range []string{"z", "m", "a"} {
		requests := append(pages(7+i), rejected(99, "bad"))
		f.open(batch, requests...)
		f.later(time.Second)
		for n, id := range f.pending(batch, 4) {
			if n%2 == i%2 {
				f.webhook(id, jobs.OutcomeFailed)
			}
		}
		all = append(all, jobsOf(f.allRows(batch))...)
	}
	return all
}

// searchAll reads all pages of a search.
func (f *fixture) searchAll(filter jobs.JobSearch) (found []jobs.ID) {
	f.t.Helper()
	for range 1000 {
		page, next, err := f.Search(f.ctx(), filter)
		f.must(err, "search %+v", filter)
		if limit := cmp.Or(filter.Limit, 100); len(page) > limit {
			f.t.Fatalf("search %+v: a page of %d jobs", filter, len(page))
		}
		for _, j := range page {
			found = append(found, j.ID)
		}
		if next.IsZero() {
			return found
		}
		filter.After = next
	}
	f.t.Fatalf("search %+v does not end", filter)
	return nil
}

// wantSearch asserts one page of batch b1, and where the next one begins.
func (f *fixture) wantSearch(filter jobs.JobSearch, next jobs.ID, rows ...int64) {
	f.t.Helper()
	page, got, err := f.Search(f.ctx(), filter)
	f.must(err, "search %+v", filter)
	f.wantRows(fmt.Sprintf("search %+v", filter), page, rows...)
	wantSame(f, fmt.Sprintf("next page of %+v", filter), got, next)
}
