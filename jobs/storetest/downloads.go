package storetest

import (
	"fmt"
	"path/filepath"
	"time"

	"shotline/jobs"
)

// Folders of download orders. They need not exist.
var (
	folderA, _ = filepath.Abs("a")
	folderB, _ = filepath.Abs("b")
)

var downloadTests = []test{
	{"nothing is wanted without an order", func(f *fixture) {
		f.doneJobs("b1", 2)
		f.wantFiles(0)
		wantSame(f, "claimed", len(f.claimFiles()), 0)
		f.wantFilesOf("b1")
		wantSame(f, "readers", len(f.cursors()), 0)
	}},
	{"an order wants the files of jobs that closed before and after it", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 3)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.order("b1", folderA)
		f.wantFiles(1)
		f.wantFilesOf("b1", "2 image 1 wanted")
		f.webhook(ids[0], jobs.OutcomeDone)
		f.webhook(ids[2], jobs.OutcomeFailed)
		f.wantFiles(1)
		f.wantFilesOf("b1", "1 image 1 wanted", "2 image 1 wanted")
		f.order("b1", folderA)
		f.wantFiles(0)
		wantSame(f, "counts", f.countFiles("b1"), jobs.FileCounts{Wanted: 2})
	}},
	{"small steps look at every job", func(f *fixture) {
		f.doneJobs("b1", 7)
		f.order("b1", folderA)
		wanted := 0
		for more := true; more; {
			var n int
			var err error
			n, more, err = f.WantFiles(f.ctx(), f.now, 2)
			f.must(err, "want files")
			if n > 2 {
				f.t.Fatalf("looked at more than 2 jobs: %d files", n)
			}
			wanted += n
		}
		wantSame(f, "wanted", wanted, 7)
	}},
	{"outputs and shots follow the parameters", func(f *fixture) {
		spec := jobs.BatchSpec{ID: "b1", Params: jobs.Params{"pdf": true}}
		f.must(f.CreateBatch(f.ctx(), spec, f.now), "create batch")
		requests := pages(2)
		requests[1].Params = jobs.Params{"pdf": false, "html": "1", "shots": 3.0}
		f.must(f.AppendRequests(f.ctx(), "b1", requests, f.now), "append")
		_, err := f.OpenBatch(f.ctx(), "b1", f.now)
		f.must(err, "open")
		for _, id := range f.pending("b1", 2) {
			f.webhook(id, jobs.OutcomeDone)
		}
		f.order("b1", folderA)
		f.wantFiles(6)
		f.wantFilesOf("b1", "1 image 1 wanted", "1 pdf 1 wanted",
			"2 image 1 wanted", "2 image 2 wanted", "2 image 3 wanted", "2 html 1 wanted")
		f.order("b1", folderB, jobs.OutputHTML)
		f.wantFiles(1)
	}},
	{"the order of all batches does not replace a batch's own", func(f *fixture) {
		f.doneJobs("b1", 1)
		f.doneJobs("b2", 2)
		f.order("b1", folderA)
		f.order("", folderB)
		f.wantFiles(3)
		f.doneJobs("b3", 1)
		f.wantFiles(1)
		for batch, folder := range map[string]string{"b1": folderA, "b2": folderB, "b3": folderB} {
			for _, file := range f.filesOf(batch) {
				wantSame(f, "folder of "+batch, file.Folder, folder)
			}
		}
		works := f.claimFiles()
		wantSame(f, "claimed", len(works), 4)
		for _, w := range works {
			wantSame(f, "folder of the order", w.Order.Folder, w.File.Folder)
			wantSame(f, "batch", w.Batch.ID, w.Job.ID.Batch)
			wantSame(f, "job", w.Job.ID, w.File.Job)
		}
	}},
	{"orders are stored", func(f *fixture) {
		f.doneJobs("b1", 1)
		want := jobs.DownloadOrder{Batch: "b1", Folder: folderA, Name: "{row}", Outputs: []jobs.Output{jobs.OutputPDF}}
		f.must(f.OrderDownload(f.ctx(), want, f.now), "order")
		f.order("", folderB)
		orders, err := f.DownloadOrders(f.ctx(), "b1", "b2", "")
		f.must(err, "orders")
		wantSame(f, "orders", len(orders), 2)
		for _, o := range orders {
			f.wantTime("ordered", o.At, f.now)
			if o.Batch == "b1" {
				wantSame(f, "order", fmt.Sprint(o.Folder, o.Name, o.Outputs), fmt.Sprint(want.Folder, want.Name, want.Outputs))
			}
		}
		f.wantErr(f.OrderDownload(f.ctx(), jobs.DownloadOrder{Batch: "b9", Folder: folderA}, f.now), jobs.ErrNotFound, "order of no batch")
		f.wantErr(f.OrderDownload(f.ctx(), jobs.DownloadOrder{Batch: "b1", Folder: "relative"}, f.now), jobs.ErrInvalid, "relative folder")
		f.wantErr(f.OrderDownload(f.ctx(), jobs.DownloadOrder{Batch: "b1", Folder: folderA, Outputs: []jobs.Output{"gif"}}, f.now), jobs.ErrInvalid, "output")
	}},
	{"another folder wants all files again, the same one those that failed", func(f *fixture) {
		f.doneJobs("b1", 3)
		f.order("b1", folderA)
		f.wantFiles(3)
		works := f.claimFiles()
		f.save(works[0], "1.png")
		f.settleFile(works[1], jobs.FileFailed)
		f.settleFile(works[2], jobs.FileGone)
		f.wantFilesOf("b1", "1 image 1 saved", "2 image 1 failed", "3 image 1 gone")
		f.order("b1", folderA)
		f.wantFiles(0)
		f.wantFilesOf("b1", "1 image 1 saved", "2 image 1 wanted", "3 image 1 gone")
		f.order("b1", folderB)
		f.wantFiles(3)
		for _, file := range f.filesOf("b1") {
			wantSame(f, "state", file.State, jobs.FileWanted)
			wantSame(f, "name", file.Name, "")
			wantSame(f, "folder", file.Folder, folderB)
		}
	}},
	{"a removed order forgets what is still wanted", func(f *fixture) {
		f.doneJobs("b1", 2)
		f.order("b1", folderA)
		wantSame(f, "readers", len(f.cursors()), 1)
		f.wantFiles(2)
		f.save(f.claimFiles()[0], "1.png")
		f.order("b1", "")
		f.wantFiles(0)
		f.wantFilesOf("b1", "1 image 1 saved")
		wantSame(f, "readers", len(f.cursors()), 0)
		f.order("", folderA)
		f.order("b1", folderB)
		f.wantFiles(2)
		f.order("b1", "")
		f.wantFiles(2) // the order of all batches applies again
	}},
	{"a removed import has no order", func(f *fixture) {
		f.importing("b1", pages(2)...)
		f.order("b1", folderA)
		f.must(f.RemoveImport(f.ctx(), "b1"), "remove import")
		f.doneJobs("b2", 1) // a store might give it the place of the removed batch
		f.wantFiles(0)
	}},
	{"a false image has no file, and its retry has another one", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeDone, jobs.OutcomeFailed)
		f.order("b1", folderA)
		f.wantFiles(1)
		f.save(f.claimFiles()[0], "1.png")
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		f.wantFilesOf("b1") // at once, although WantFiles has not run
		wantSame(f, "counts", f.countFiles("b1"), jobs.FileCounts{})
		f.wantFiles(0)
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeDone)
		f.wantFiles(1)
		file := f.filesOf("b1")[0]
		wantSame(f, "screenshot", file.Screenshot, shotOf(id, 2))
		wantSame(f, "attempt", file.Attempt, 2)
		wantSame(f, "old file", file.Old.Name, "1.png")
		f.save(f.claimFiles()[0], "1.png")
		wantSame(f, "old file", f.filesOf("b1")[0].Old, jobs.OldFile{})
	}},
	{"a correction to another image wants the file again", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.doneTwice("b1")
		f.order("b1", folderA)
		f.wantFiles(1)
		f.save(f.claimFiles()[0], "1.png")
		f.result(id, 2, jobs.OutcomeFailed)
		f.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed))
		wantSame(f, "screenshot of the job", f.wantState(id, jobs.Done).ScreenshotID, shotOf(id, 1))
		f.wantFilesOf("b1")
		f.wantFiles(1)
		file := f.filesOf("b1")[0]
		wantSame(f, "screenshot", file.Screenshot, shotOf(id, 1))
		wantSame(f, "state", file.State, jobs.FileWanted)
		wantSame(f, "name", file.Name, "1.png")
		wantSame(f, "size", file.Size, 0)
		wantSame(f, "old file", file.Old.Name, "1.png")
		wantSame(f, "old size", file.Old.Size, 7)
		f.wantTime("old file saved", file.Old.SavedAt, f.now)
		f.order("b1", folderB)
		f.wantFiles(1)
		wantSame(f, "old file of another folder", f.filesOf("b1")[0].Old.Name, "")
	}},
	{"a late result has files", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.order("b1", folderA)
		id := timedOut(f, "b1")
		f.wantFiles(0)
		f.webhook(id, jobs.OutcomeDone)
		f.wantFiles(1)
	}},
	{"events stay until their jobs were looked at", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.order("b1", folderA)
		f.webhook(f.pending("b1", 1)[0], jobs.OutcomeDone)
		f.later(time.Hour)
		f.uncheckedSteps = true // the check compares the events with the jobs
		wantSame(f, "pruned", f.prune(jobs.Retention{Events: f.now}).Events, 0)
		f.wantFiles(1)
		if f.prune(jobs.Retention{Events: f.now}).Events == 0 {
			f.t.Fatal("pruned no events")
		}
		f.wantFilesOf("b1", "1 image 1 wanted")
		f.wantFiles(0)
	}},
}

// doneJobs makes a batch of n done jobs.
func (f *fixture) doneJobs(batch string, n int) []jobs.ID {
	f.t.Helper()
	f.open(batch, pages(n)...)
	ids := f.pending(batch, n)
	for _, id := range ids {
		f.webhook(id, jobs.OutcomeDone)
	}
	return ids
}

// order orders the files of a batch.
func (f *fixture) order(batch, folder string, outputs ...jobs.Output) {
	f.t.Helper()
	order := jobs.DownloadOrder{Batch: batch, Folder: folder, Name: "{row}.{ext}", Outputs: outputs}
	f.must(f.OrderDownload(f.ctx(), order, f.now), "order download of %q", batch)
	f.check()
}

// wantFiles looks at all jobs and asserts the number of files that are wanted now.
func (f *fixture) wantFiles(want int) {
	f.t.Helper()
	wanted := 0
	for more := true; more; {
		var n int
		var err error
		n, more, err = f.WantFiles(f.ctx(), f.now, 100)
		f.must(err, "want files")
		wanted += n
	}
	wantSame(f, "wanted files", wanted, want)
	f.check()
}

// filesOf returns the files of all rows of a batch.
func (f *fixture) filesOf(batch string) []jobs.File {
	f.t.Helper()
	files, err := f.FilesOf(f.ctx(), batch, 0, 1000)
	f.must(err, "files of %s", batch)
	return files
}

// wantFilesOf asserts the files of a batch, each by row, output, shot and state.
func (f *fixture) wantFilesOf(batch string, want ...string) {
	f.t.Helper()
	got := []string{}
	for _, file := range f.filesOf(batch) {
		wantSame(f, "batch", file.Job.Batch, batch)
		got = append(got, fmt.Sprintf("%d %s %d %s", file.Job.Row, file.Output, file.Shot, file.State))
	}
	wantSame(f, "files", fmt.Sprintf("%q", got), fmt.Sprintf("%q", append([]string{}, want...)))
}

func (f *fixture) countFiles(batch string) jobs.FileCounts {
	f.t.Helper()
	counts, err := f.CountFiles(f.ctx(), batch)
	f.must(err, "count files of %s", batch)
	return counts
}

func (f *fixture) cursors() []string {
	f.t.Helper()
	names, err := f.Cursors(f.ctx())
	f.must(err, "cursors")
	return names
}

// doneTwice returns a job of a batch that is done with the screenshot of attempt 2,
// and has that of attempt 1, too.
func (f *fixture) doneTwice(batch string) jobs.ID {
	f.t.Helper()
	id := timedOut(f, batch)
	f.retryJobs(id)
	f.pendingRetry(id)
	f.result(id, 2, jobs.OutcomeDone)
	f.result(id, 1, jobs.OutcomeDone)
	return id
}
