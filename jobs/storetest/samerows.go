package storetest

import (
	"time"

	"shotline/jobs"
)

// compare imports a batch, compares its rows, and checks with which batch they agree.
// Then it opens the batch.
func (f *fixture) compare(spec jobs.BatchSpec, since time.Time, want string, requests ...jobs.Request) {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), spec, f.now), "create batch")
	f.must(f.AppendRequests(f.ctx(), spec.ID, requests, f.now), "append")
	got, err := f.CompareRows(f.ctx(), spec.ID, since)
	f.must(err, "compare rows")
	switch {
	case want == "" && got != nil:
		f.t.Fatalf("%s has the same rows as %s, want no batch", spec.ID, got.Batch)
	case want != "" && (got == nil || got.Batch != want):
		f.t.Fatalf("%s has the same rows as %v, want %s", spec.ID, got, want)
	case want != "":
		f.wantTime("created", got.CreatedAt, f.batch(want).CreatedAt)
	}
	_, err = f.OpenBatch(f.ctx(), spec.ID, f.now)
	f.must(err, "open batch")
	f.check()
}

var sameRowsTests = []test{
	{"equal rows are found, whatever their lines and metadata", func(f *fixture) {
		since := f.now
		f.open("uncompared", pages(3)...)
		f.compare(jobs.BatchSpec{ID: "b1"}, since, "", pages(3)...)
		f.later(time.Minute)
		again := pages(3)
		for i := range again {
			again[i].Line += 7
			again[i].Metadata = jobs.Metadata{"seen": "today"}
		}
		f.compare(jobs.BatchSpec{ID: "b2", Source: "other.csv"}, since, "b1", again...)
		f.later(time.Minute)
		f.compare(jobs.BatchSpec{ID: "b3"}, since, "b2", pages(3)...)
		f.compare(jobs.BatchSpec{ID: "b4"}, f.now.Add(time.Millisecond), "", pages(3)...)
	}},
	{"other rows are not equal", func(f *fixture) {
		since := f.now
		f.compare(jobs.BatchSpec{ID: "b1"}, since, "", pages(3)...)
		f.compare(jobs.BatchSpec{ID: "b2"}, since, "", pages(2)...)
		f.compare(jobs.BatchSpec{ID: "b3"}, since, "", pages(4)...)
		swapped := pages(3)
		swapped[0], swapped[1] = swapped[1], swapped[0]
		f.compare(jobs.BatchSpec{ID: "b4"}, since, "", swapped...)
		withParams := pages(3)
		withParams[2].Params = jobs.Params{"size": "page"}
		f.compare(jobs.BatchSpec{ID: "b5"}, since, "", withParams...)
		f.compare(jobs.BatchSpec{ID: "b6", Params: jobs.Params{"size": "page"}}, since, "", pages(3)...)
		f.compare(jobs.BatchSpec{ID: "b7", Tags: []string{"autumn"}}, since, "", pages(3)...)
		withReject := append(pages(2), rejected(4, "bad"))
		f.compare(jobs.BatchSpec{ID: "b8"}, since, "", withReject...)
		f.compare(jobs.BatchSpec{ID: "b9"}, since, "b8", withReject...)
	}},
	{"an import counts, and a removed one does not", func(f *fixture) {
		since := f.now
		f.importing("b1", pages(2)...)
		_, err := f.CompareRows(f.ctx(), "b1", since)
		f.must(err, "compare rows")
		f.importing("b2", pages(2)...)
		same, err := f.CompareRows(f.ctx(), "b2", since)
		f.must(err, "compare rows")
		wantSame(f, "same rows", same != nil && same.Batch == "b1", true)
		f.must(f.RemoveImport(f.ctx(), "b2"), "remove import")
		f.must(f.RemoveImport(f.ctx(), "b1"), "remove import")
		f.compare(jobs.BatchSpec{ID: "b3"}, since, "", pages(2)...)
	}},
	{"only an import is compared", func(f *fixture) {
		f.open("b1", pages(1)...)
		_, err := f.CompareRows(f.ctx(), "b1", f.now)
		f.wantErr(err, jobs.ErrState, "compare an open batch")
		_, err = f.CompareRows(f.ctx(), "none", f.now)
		f.wantErr(err, jobs.ErrNotFound, "compare no batch")
	}},
}
