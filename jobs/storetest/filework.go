package storetest

import (
	"errors"
	"sync"
	"time"

	"shotline/jobs"
)

// fileClaim is how long a claim of a file lasts.
const fileClaim = time.Minute

var fileWorkTests = []test{
	{"a claim lasts until its time", func(f *fixture) {
		f.doneJobs("b1", 3)
		f.order("b1", folderA)
		f.wantFiles(3)
		first, err := f.ClaimFiles(f.ctx(), f.now, f.now.Add(fileClaim), 2)
		f.must(err, "claim files")
		wantSame(f, "claimed", len(first), 2)
		wantSame(f, "first row", first[0].Job.ID, row("b1", 1))
		wantSame(f, "second row", first[1].Job.ID, row("b1", 2))
		wantSame(f, "screenshot", first[0].File.Screenshot, shot(row("b1", 1)))
		wantSame(f, "template", first[0].Order.Name, "{row}.{ext}")
		wantSame(f, "the rest", len(f.claimFiles()), 1)
		wantSame(f, "under way", len(f.claimFiles()), 0)
		f.later(fileClaim)
		wantSame(f, "expired", len(f.claimFiles()), 3)
	}},
	{"only named batches are claimed", func(f *fixture) {
		for _, batch := range []string{"b1", "b2", "b3"} {
			f.doneJobs(batch, 1)
		}
		f.order("", folderA)
		f.wantFiles(3)
		wantSame(f, "of b2 and b3", len(f.claimFiles("b2", "b3", "b9")), 2)
		wantSame(f, "of b1", len(f.claimFiles("b1")), 1)
	}},
	{"a saved file is settled once", func(f *fixture) {
		f.doneJobs("b1", 1)
		f.order("b1", folderA)
		f.wantFiles(1)
		w := f.claimFiles()[0]
		f.later(time.Second)
		f.save(w, "1.png")
		file := f.filesOf("b1")[0]
		wantSame(f, "state", file.State, jobs.FileSaved)
		wantSame(f, "name", file.Name, "1.png")
		wantSame(f, "size", file.Size, 7)
		wantSame(f, "type", file.Type, "image/png")
		wantSame(f, "tries", file.Tries, 2)
		f.wantTime("saved", file.SavedAt, f.now)
		f.wantTime("next try", file.WakeAt, time.Time{})
		wantSame(f, "counts", f.countFiles("b1"), jobs.FileCounts{Saved: 1, Bytes: 7})
		f.settleFile(w, jobs.FileFailed)
		wantSame(f, "state", f.filesOf("b1")[0].State, jobs.FileSaved)
		f.later(time.Hour)
		wantSame(f, "claimed", len(f.claimFiles()), 0)
	}},
	{"names are unique in a folder, without regard to case", func(f *fixture) {
		f.doneJobs("b1", 3)
		f.doneJobs("b2", 1)
		f.order("b1", folderA)
		f.order("b2", folderB)
		f.wantFiles(4)
		works := f.claimFiles()
		name := func(w jobs.FileWork, name string) error {
			w.File.Name = name
			return f.NameFile(f.ctx(), w.File)
		}
		f.must(name(works[0], "straße.png"), "name")
		f.must(name(works[0], "straße.png"), "the same name again")
		f.must(name(works[1], "strase.png"), "another letter")
		f.wantErr(name(works[2], "Straße.PNG"), jobs.ErrExists, "another case")
		f.must(name(works[3], "straße.png"), "another folder")
		f.must(name(works[0], "2.png"), "another name")
		f.must(name(works[2], "Straße.PNG"), "a name that is free again")
		f.settleFile(works[2], jobs.FileGone)
		f.must(name(works[0], "straße.png"), "the name of a file that is gone")
		f.wantErr(name(works[2], "3.png"), jobs.ErrLeaseLost, "name of a file that is not wanted")
		f.wantErr(name(works[0], ""), jobs.ErrInvalid, "no name")
	}},
	{"a failed try is repeated at its time", func(f *fixture) {
		f.doneJobs("b1", 1)
		f.order("b1", folderA)
		f.wantFiles(1)
		w := f.claimFiles()[0]
		w.File.State, w.File.WakeAt, w.File.Error, w.File.Tries = jobs.FileWanted, f.now.Add(time.Hour), "no answer", 6
		f.must(f.SettleFiles(f.ctx(), []jobs.File{w.File}, f.now), "settle")
		f.later(time.Hour - time.Second)
		wantSame(f, "too early", len(f.claimFiles()), 0)
		f.later(time.Second)
		again := f.claimFiles()
		wantSame(f, "due", len(again), 1)
		wantSame(f, "tries", again[0].File.Tries, 6)
		wantSame(f, "error", again[0].File.Error, "no answer")
		w.File.WakeAt = time.Time{}
		f.wantErr(f.SettleFiles(f.ctx(), []jobs.File{w.File}, f.now), jobs.ErrInvalid, "wanted without a time")
		w.File.State = "lost"
		f.wantErr(f.SettleFiles(f.ctx(), []jobs.File{w.File}, f.now), jobs.ErrInvalid, "unknown state")
	}},
	{"the file of an old screenshot settles nothing", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeDone, jobs.OutcomeFailed)
		f.order("b1", folderA)
		f.wantFiles(1)
		old := f.claimFiles()[0]
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeDone)
		f.wantFiles(1)
		old.File.Name = "1.png"
		f.wantErr(f.NameFile(f.ctx(), old.File), jobs.ErrLeaseLost, "name")
		f.settleFile(old, jobs.FileSaved)
		wantSame(f, "state", f.filesOf("b1")[0].State, jobs.FileWanted)
		f.later(fileClaim)
		wantSame(f, "claimed", f.claimFiles()[0].File.Screenshot, shotOf(id, 2))
	}},
	{"a next version waits for the claim of the one before", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.doneTwice("b1")
		f.order("b1", folderA)
		f.wantFiles(1)
		f.claimFiles()
		f.result(id, 2, jobs.OutcomeFailed)
		f.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed))
		f.wantFiles(1)
		wantSame(f, "claimed at once", len(f.claimFiles()), 0)
		f.later(fileClaim)
		wantSame(f, "claimed later", len(f.claimFiles()), 1)
	}},
	{"a file that was saved under a lost name is fetched again", func(f *fixture) {
		f.doneJobs("b1", 1)
		f.order("b1", folderA)
		f.wantFiles(1)
		w := f.claimFiles()[0]
		w.File.Name = "1.png"
		f.must(f.NameFile(f.ctx(), w.File), "name")
		for _, folder := range []string{folderB, folderA} {
			f.order("b1", folder)
			f.wantFiles(1)
		}
		f.settleFile(w, jobs.FileSaved)
		wantSame(f, "state", f.filesOf("b1")[0].State, jobs.FileWanted)
		f.later(fileClaim)
		w = f.claimFiles()[0]
		wantSame(f, "name", w.File.Name, "")
		f.save(w, "1.png")
		wantSame(f, "counts", f.countFiles("b1"), jobs.FileCounts{Saved: 1, Bytes: 7})
	}},
	{"only the rows of the range have their files returned", func(f *fixture) {
		f.doneJobs("b1", 4)
		f.order("b1", folderA)
		f.wantFiles(4)
		files, err := f.FilesOf(f.ctx(), "b1", 1, 3)
		f.must(err, "files")
		wantSame(f, "files", len(files), 2)
		wantSame(f, "first", files[0].Job, row("b1", 2))
		_, err = f.FilesOf(f.ctx(), "b9", 0, 1)
		f.wantErr(err, jobs.ErrNotFound, "files of no batch")
		_, err = f.CountFiles(f.ctx(), "b9")
		f.wantErr(err, jobs.ErrNotFound, "count of no batch")
	}},
	{"two processes claim 500 files, and give no name twice", func(f *fixture) {
		const n = 500
		for _, id := range f.bulk("b1", n) {
			_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone))
			f.must(err, "append delivery")
		}
		f.apply()
		f.order("b1", folderA)
		var mu sync.Mutex
		claimed, named := map[jobs.ID]int{}, 0
		worker := func(s jobs.Store) func() error {
			return func() error {
				for {
					_, more, err := s.WantFiles(f.ctx(), f.now, 50)
					if err != nil {
						return err
					}
					works, err := s.ClaimFiles(f.ctx(), f.now, f.now.Add(fileClaim), 20)
					if err != nil || len(works) == 0 && !more {
						return err
					}
					for _, w := range works {
						w.File.Name = "one.png"
						err := s.NameFile(f.ctx(), w.File)
						if err != nil && !errors.Is(err, jobs.ErrExists) {
							return err
						}
						mu.Lock()
						claimed[w.Job.ID]++
						if err == nil {
							named++
						}
						mu.Unlock()
					}
				}
			}
		}
		stores := f.twoStores()
		simultaneously(f, worker(stores[0]), worker(stores[1]))
		wantSame(f, "claimed jobs", len(claimed), n)
		for id, times := range claimed {
			if times != 1 {
				f.t.Errorf("%s was claimed %d times", id, times)
			}
		}
		wantSame(f, "files with the name", named, 1)
	}},
}

// claimFiles claims all files that are due.
func (f *fixture) claimFiles(batches ...string) []jobs.FileWork {
	f.t.Helper()
	due, err := f.FilesDue(f.ctx(), f.now, batches...)
	f.must(err, "files due")
	works, err := f.ClaimFiles(f.ctx(), f.now, f.now.Add(fileClaim), 1000, batches...)
	f.must(err, "claim files")
	wantSame(f, "files are due", due, len(works) > 0)
	return works
}

// save names a claimed file and settles it as saved.
func (f *fixture) save(w jobs.FileWork, name string) {
	f.t.Helper()
	w.File.Name = name
	f.must(f.NameFile(f.ctx(), w.File), "name %s", name)
	f.settleFile(w, jobs.FileSaved)
}

// settleFile settles a claimed file after two tries.
func (f *fixture) settleFile(w jobs.FileWork, state jobs.FileState) {
	f.t.Helper()
	w.File.State, w.File.Tries = state, 2
	if state == jobs.FileSaved {
		w.File.Size, w.File.Type = 7, "image/png"
	}
	f.must(f.SettleFiles(f.ctx(), []jobs.File{w.File}, f.now), "settle as %s", state)
	f.check()
}
