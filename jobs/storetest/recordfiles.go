package storetest

import (
	"time"

	"shotline/jobs"
)

var recordFileTests = []test{
	{"a file that was saved without an order is recorded", func(f *fixture) {
		ids := f.doneJobs("b1", 2)
		f.record(ids[0], "1.png", folderA)
		file := f.filesOf("b1")[0]
		wantSame(f, "state", file.State, jobs.FileSaved)
		wantSame(f, "name", file.Name, "1.png")
		wantSame(f, "folder", file.Folder, folderA)
		wantSame(f, "size", file.Size, 9)
		wantSame(f, "type", file.Type, "image/png")
		f.wantTime("saved", file.SavedAt, f.now)
		f.record(ids[0], "one.png", folderB) // the newest counts
		wantSame(f, "name", f.filesOf("b1")[0].Name, "one.png")
		f.order("b1", folderB)
		f.wantFiles(1)
		f.wantFilesOf("b1", "1 image 1 saved", "2 image 1 wanted")
	}},
	{"an order of another folder keeps its own files", func(f *fixture) {
		ids := f.doneJobs("b1", 1)
		f.order("", folderA)
		f.wantFiles(1)
		f.record(ids[0], "1.png", folderB)
		f.wantFilesOf("b1", "1 image 1 wanted")
		f.record(ids[0], "1.png", folderA)
		f.wantFilesOf("b1", "1 image 1 saved")
		wantSame(f, "claimed", len(f.claimFiles()), 0)
	}},
	{"a file of another screenshot is not recorded", func(f *fixture) {
		ids := f.doneJobs("b1", 1)
		file := recorded(ids[0], "1.png", folderA, f.now)
		file.Screenshot = "other"
		f.must(f.RecordFiles(f.ctx(), []jobs.File{file}, f.now), "record")
		f.wantFilesOf("b1")
		file.State = jobs.FileFailed
		f.wantErr(f.RecordFiles(f.ctx(), []jobs.File{file}, f.now), jobs.ErrInvalid, "record a failed file")
	}},
	{"a replaced file is wanted again, or forgotten without an order", func(f *fixture) {
		ids := f.doneJobs("b1", 3)
		f.record(ids[0], "same.png", folderA)
		f.record(ids[1], "SAME.png", folderA)
		f.wantFilesOf("b1", "2 image 1 saved")
		f.order("b1", folderA)
		f.wantFiles(2)
		f.record(ids[2], "same.png", folderA)
		f.wantFilesOf("b1", "1 image 1 wanted", "2 image 1 wanted", "3 image 1 saved")
		wantSame(f, "name", f.filesOf("b1")[1].Name, "")
	}},
	{"an earlier version keeps its name until the next one is saved", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.doneTwice("b1")
		f.order("b1", folderA)
		f.wantFiles(1)
		f.save(f.claimFiles()[0], "1.png")
		f.result(id, 2, jobs.OutcomeFailed)
		f.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed))
		f.wantFiles(1)
		f.doneJobs("b2", 1)
		f.order("b2", folderA)
		f.wantFiles(1)
		works := f.claimFiles()
		wantSame(f, "claimed", len(works), 2)
		for _, w := range works {
			if w.Job.ID == id {
				w.File.Name = "2.jpg"
				f.must(f.NameFile(f.ctx(), w.File), "name the next version")
			}
		}
		for _, w := range works {
			if w.Job.ID != id {
				w.File.Name = "1.PNG"
				f.wantErr(f.NameFile(f.ctx(), w.File), jobs.ErrExists, "name of the earlier version")
			}
		}
		for _, w := range works {
			if w.Job.ID == id {
				f.save(w, "2.jpg")
			}
		}
		for _, w := range works {
			if w.Job.ID != id {
				f.save(w, "1.PNG")
			}
		}
	}},
	{"the file of a job that is not done any more is the earlier version of its next file", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.doneTwice("b1")
		f.order("b1", folderA)
		f.wantFiles(1)
		f.save(f.claimFiles()[0], "1.png")
		f.result(id, 2, jobs.OutcomeFailed)
		f.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed))
		f.wantFiles(1)
		w := f.claimFiles()[0]
		w.File.Name = "2.jpg"
		f.must(f.NameFile(f.ctx(), w.File), "name")
		f.result(id, 1, jobs.OutcomeFailed)
		f.observe(jobs.ByPoll, seenIn(id, 1, jobs.OutcomeFailed))
		f.wantState(id, jobs.Failed)
		f.wantFiles(0)
		f.later(fileClaim)
		wantSame(f, "claimed", len(f.claimFiles()), 0)
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 3, jobs.OutcomeDone)
		f.wantFiles(1)
		wantSame(f, "old file", f.filesOf("b1")[0].Old.Name, "1.png")
	}},
	{"a file that existed before is no earlier version", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeDone, jobs.OutcomeFailed)
		file := recorded(id, "1.png", folderA, time.Time{})
		f.must(f.RecordFiles(f.ctx(), []jobs.File{file}, f.now), "record")
		f.wantTime("saved", f.filesOf("b1")[0].SavedAt, time.Time{})
		f.order("b1", folderA)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		f.wantFiles(0)
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeDone)
		f.wantFiles(1)
		wantSame(f, "old file", f.filesOf("b1")[0].Old.Name, "")
	}},
}

// recorded returns a saved image of the first attempt of a job.
func recorded(id jobs.ID, name, folder string, saved time.Time) jobs.File {
	return jobs.File{
		Job: id, Output: jobs.OutputImage, Shot: 1, Attempt: 1, Screenshot: shot(id), Folder: folder, Name: name,
		State: jobs.FileSaved, Size: 9, Type: "image/png", SavedAt: saved,
	}
}

// record records a saved image of the first attempt of a job.
func (f *fixture) record(id jobs.ID, name, folder string) {
	f.t.Helper()
	f.must(f.RecordFiles(f.ctx(), []jobs.File{recorded(id, name, folder, f.now)}, f.now), "record %s", name)
	f.check()
}
