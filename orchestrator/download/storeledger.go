package download

import (
	"context"
	"sync"
	"time"

	"shotline/jobs"
)

// A file that could not be fetched is tried again after laterFirst. This doubles
// with every triesTogether further tries, up to laterMost, until the file was
// tried maxTries times.
const (
	laterFirst    = time.Minute
	laterMost     = 2 * time.Hour
	triesTogether = 6 // calls that one run makes for a file
	maxTries      = 60
)

// storeLedger is the Ledger of the files that a Worker has claimed.
type storeLedger struct {
	*Worker
	// turn is held while files or their records change. It is a channel and not a
	// mutex, because a simulated clock stands still while a goroutine waits for a
	// mutex.
	turn  chan struct{}
	files map[fileKey]jobs.File // claimed and not settled yet
}

// fileKey identifies a file.
type fileKey struct {
	job    jobs.ID
	output jobs.Output
	shot   int
}

func keyOf(f jobs.File) fileKey { return fileKey{f.Job, f.Output, f.Shot} }

func newStoreLedger(w *Worker, claimed []jobs.FileWork) *storeLedger {
	l := &storeLedger{Worker: w, turn: make(chan struct{}, 1), files: map[fileKey]jobs.File{}}
	for _, c := range claimed {
		l.files[keyOf(c.File)] = c.File
	}
	return l
}

func (l *storeLedger) lock()   { l.turn <- struct{}{} }
func (l *storeLedger) unlock() { <-l.turn }

// NameFile implements Ledger.
func (l *storeLedger) NameFile(ctx context.Context, w Work) error {
	l.lock()
	named := l.files[keyOf(w.File)].Name == w.File.Name
	l.unlock()
	if named {
		return nil
	}
	if err := l.Store.NameFile(ctx, w.File); err != nil {
		return err
	}
	l.lock()
	defer l.unlock()
	if f, found := l.files[keyOf(w.File)]; found {
		f.Name = w.File.Name
		l.files[keyOf(f)] = f
	}
	return nil
}

// settled returns a file as it is recorded. If it failed and is to be tried again
// later, it stays wanted. A file that is too large would be so again.
func (l *storeLedger) settled(w Work) jobs.File {
	f := w.File
	if f.State == jobs.FileFailed && !l.Once && w.Reason != ReasonSize && f.Tries < maxTries {
		f.State = jobs.FileWanted
	}
	return f
}

// SettleFiles implements Ledger.
func (l *storeLedger) SettleFiles(ctx context.Context, works []Work) error {
	l.lock()
	defer l.unlock()
	now := l.Clock.Now()
	files := make([]jobs.File, len(works))
	for i, w := range works {
		if files[i] = l.settled(w); files[i].State == jobs.FileWanted {
			files[i].WakeAt = now.Add(later(files[i].Tries))
		}
	}
	if err := l.Store.SettleFiles(ctx, files, now); err != nil {
		return err
	}
	for i, f := range files {
		delete(l.files, keyOf(f))
		l.observe(f, works[i].Reason)
		if f.State != jobs.FileSaved {
			l.Logger.Warn("file could not be fetched", "job", f.Job.String(), "output", f.Output, "state", f.State, "tries", f.Tries,
				"next", f.WakeAt, "error", f.Error)
		}
	}
	return nil
}

// observe calls the Observer for a file.
func (l *storeLedger) observe(f jobs.File, reason Reason) {
	if l.Observer == nil {
		return
	}
	switch f.State {
	case jobs.FileSaved:
		l.Observer(Saved, "", f.Size)
	case jobs.FileGone:
		l.Observer(Gone, "", 0)
	case jobs.FileFailed:
		l.Observer(Failed, reason, 0)
	default:
		l.Observer(Retried, reason, 0)
	}
}

// later returns the delay after which a file is tried again.
func later(tries int) time.Duration {
	return min(laterFirst<<min(max(tries-1, 0)/triesTogether, 20), laterMost)
}

// renewing calls do, and renews the claims until it returns.
func (l *storeLedger) renewing(ctx context.Context, do func() error) error {
	working, done := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		for l.Clock.Sleep(working, renewEvery) == nil {
			if err := l.wakeAt(ctx, l.Clock.Now().Add(claimTime), nil); err != nil && ctx.Err() == nil {
				l.Logger.Warn("claims of files could not be renewed", "error", err)
			}
		}
	})
	defer renewal.Wait()
	defer done()
	return do()
}

// release ends the claims of the files that a run has not settled, because it
// stopped with an error.
func (l *storeLedger) release(ctx context.Context, stopped error) error {
	if stopped == nil && ctx.Err() == nil {
		return nil // the rest belongs to other screenshots by now
	}
	wake := l.Clock.Now()
	if ctx.Err() == nil {
		wake = wake.Add(laterFirst)
	} else {
		stopped = nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	return l.wakeAt(limited, wake, stopped)
}

// postpone ends the claims of the files of a folder for a short time.
func (l *storeLedger) postpone(ctx context.Context, folder string) error {
	l.lock()
	defer l.unlock()
	now := l.Clock.Now()
	var files []jobs.File
	for _, f := range l.files {
		if f.Folder == folder {
			f.State, f.WakeAt = jobs.FileWanted, now.Add(lockPause)
			files = append(files, f)
		}
	}
	l.Logger.Debug("another process writes to the folder", "folder", folder, "waiting", len(files))
	if err := l.Store.SettleFiles(ctx, files, now); err != nil {
		return err
	}
	for _, f := range files {
		delete(l.files, keyOf(f))
	}
	return nil
}

// wakeAt sets when the files that are not settled can be claimed again. If there
// is an error, it is recorded, and the files have failed if they are tried only
// once.
func (l *storeLedger) wakeAt(ctx context.Context, wake time.Time, failure error) error {
	l.lock()
	defer l.unlock()
	var files []jobs.File
	for _, f := range l.files {
		f.State, f.WakeAt = jobs.FileWanted, wake
		if failure != nil {
			f.Error = failure.Error()
			if l.Once {
				f.State = jobs.FileFailed
			}
		}
		files = append(files, f)
	}
	if err := l.Store.SettleFiles(ctx, files, l.Clock.Now()); err != nil {
		return err
	}
	for _, f := range files {
		if failure != nil {
			l.observe(f, reasonOf(failure))
		}
	}
	return nil
}
