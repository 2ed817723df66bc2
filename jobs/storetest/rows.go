package storetest

import (
	"time"

	"shotline/jobs"
)

var rowTests = []test{
	{"a duplicate is listed with the row it repeats", func(f *fixture) {
		f.open("b1", append(pages(2), rejected(4, "bad"), pages(2)[1])...)
		f.pending("b1", 2)
		f.webhook(row("b1", 2), jobs.OutcomeDone)
		rows := f.allRows("b1")
		wantSame(f, "rows", len(rows), 4)
		for _, r := range rows[:3] {
			if r.Original != nil {
				f.t.Fatalf("row %d has the original %s", r.ID.Row, r.Original.ID)
			}
		}
		duplicate := rows[3]
		wantSame(f, "state", duplicate.State, jobs.Duplicate)
		wantSame(f, "duplicate of", duplicate.DuplicateOf, 2)
		if duplicate.Original == nil {
			f.t.Fatal("the duplicate comes without its original")
		}
		wantSame(f, "original", duplicate.Original.ID, row("b1", 2))
		wantSame(f, "original's state", duplicate.Original.State, jobs.Done)
		wantSame(f, "original's image", duplicate.Original.ImageURL, imageURL)
	}},
	{"rows are paged, with originals from other pages", func(f *fixture) {
		f.open("b1", append(pages(4), pages(1)[0])...)
		page, err := f.Rows(f.ctx(), "b1", 1, 2)
		f.must(err, "rows")
		f.wantRows("page after 1", jobsOf(page), 2, 3)
		page, err = f.Rows(f.ctx(), "b1", 4, 10)
		f.must(err, "rows")
		f.wantRows("page after 4", jobsOf(page), 5)
		if page[0].Original == nil || page[0].Original.ID.Row != 1 {
			f.t.Fatalf("original is %+v", page[0].Original)
		}
		page, err = f.Rows(f.ctx(), "b1", 5, 10)
		f.must(err, "rows")
		wantSame(f, "rows after the last", len(page), 0)
	}},
	{"jobs page by cursor and filter", func(f *fixture) {
		f.open("z", append(pages(3), rejected(9, "bad"))...)
		f.later(time.Second)
		f.open("a", append(pages(2), pages(1)[0])...)
		f.pending("z", 1)
		page := func(filter jobs.JobFilter, want ...jobs.ID) {
			f.t.Helper()
			list, err := f.Jobs(f.ctx(), filter)
			f.must(err, "jobs")
			wantSame(f, "jobs", len(list), len(want))
			for i, j := range list {
				wantSame(f, "job", j.ID, want[i])
			}
		}
		page(jobs.JobFilter{}, row("z", 1), row("z", 2), row("z", 3), row("z", 4), row("a", 1), row("a", 2), row("a", 3))
		page(jobs.JobFilter{Limit: 2}, row("z", 1), row("z", 2))
		page(jobs.JobFilter{After: row("z", 3), Limit: 3}, row("z", 4), row("a", 1), row("a", 2))
		page(jobs.JobFilter{After: row("a", 3)})
		page(jobs.JobFilter{Batch: "a"}, row("a", 1), row("a", 2), row("a", 3))
		page(jobs.JobFilter{Batch: "z", After: row("z", 2)}, row("z", 3), row("z", 4))
		page(jobs.JobFilter{Batch: "nothere"})
		page(jobs.JobFilter{States: []jobs.State{jobs.Queued}}, row("z", 2), row("z", 3), row("a", 1), row("a", 2))
		page(jobs.JobFilter{States: []jobs.State{jobs.Queued}, After: row("z", 2), Limit: 2}, row("z", 3), row("a", 1))
		page(jobs.JobFilter{States: []jobs.State{jobs.Pending, jobs.Rejected, jobs.Duplicate}}, row("z", 1), row("z", 4), row("a", 3))
		page(jobs.JobFilter{Batch: "a", States: []jobs.State{jobs.Pending}})
	}},
	{"the size of a page of jobs is limited", func(f *fixture) {
		f.open("b1", pages(1100)...)
		for limit, want := range map[int]int{0: 100, 7: 7, 1000: 1000} {
			list, err := f.Jobs(f.ctx(), jobs.JobFilter{Batch: "b1", Limit: limit})
			f.must(err, "jobs")
			wantSame(f, "jobs", len(list), want)
		}
	}},
}

func jobsOf(rows []jobs.Row) []jobs.Job {
	list := make([]jobs.Job, len(rows))
	for i, r := range rows {
		list[i] = r.Job
	}
	return list
}
