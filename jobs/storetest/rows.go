package storetest

import (
	"time"

	"shotline/jobs"
)

var rowTests = []test{
	{"a duplicate comes with the row it repeats", func(b *book) {
		b.open("b1", append(pages(2), rejected(4, "bad"), pages(2)[1])...)
		b.pending("b1", 2)
		b.webhook(row("b1", 2), jobs.OutcomeDone)
		rows := b.allRows("b1")
		wantSame(b, "rows", len(rows), 4)
		for _, r := range rows[:3] {
			if r.Original != nil {
				b.t.Fatalf("row %d has the original %s", r.ID.Row, r.Original.ID)
			}
		}
		duplicate := rows[3]
		wantSame(b, "state", duplicate.State, jobs.Duplicate)
		wantSame(b, "duplicate of", duplicate.DuplicateOf, 2)
		if duplicate.Original == nil {
			b.t.Fatal("the duplicate comes without its original")
		}
		wantSame(b, "original", duplicate.Original.ID, row("b1", 2))
		wantSame(b, "original's state", duplicate.Original.State, jobs.Done)
		wantSame(b, "original's image", duplicate.Original.ImageURL, imageURL)
	}},
	{"rows come in pages, originals from other pages too", func(b *book) {
		b.open("b1", append(pages(4), pages(1)[0])...)
		page, err := b.Rows(b.ctx(), "b1", 1, 2)
		b.must(err, "rows")
		b.wantRows("page after 1", jobsOf(page), 2, 3)
		page, err = b.Rows(b.ctx(), "b1", 4, 10)
		b.must(err, "rows")
		b.wantRows("page after 4", jobsOf(page), 5)
		if page[0].Original == nil || page[0].Original.ID.Row != 1 {
			b.t.Fatalf("original is %+v", page[0].Original)
		}
		page, err = b.Rows(b.ctx(), "b1", 5, 10)
		b.must(err, "rows")
		wantSame(b, "rows after the last", len(page), 0)
	}},
	{"jobs page by cursor and filter", func(b *book) {
		b.open("z", append(pages(3), rejected(9, "bad"))...)
		b.later(time.Second)
		b.open("a", append(pages(2), pages(1)[0])...)
		b.pending("z", 1)
		page := func(f jobs.JobFilter, want ...jobs.ID) {
			b.t.Helper()
			list, err := b.Jobs(b.ctx(), f)
			b.must(err, "jobs")
			wantSame(b, "jobs", len(list), len(want))
			for i, j := range list {
				wantSame(b, "job", j.ID, want[i])
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
	{"a page of jobs has its limits", func(b *book) {
		b.open("b1", pages(1100)...)
		for limit, want := range map[int]int{0: 100, 7: 7, 1000: 1000} {
			list, err := b.Jobs(b.ctx(), jobs.JobFilter{Batch: "b1", Limit: limit})
			b.must(err, "jobs")
			wantSame(b, "jobs", len(list), want)
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
