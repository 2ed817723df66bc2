package download

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
)

const (
	watchEvery = time.Second
	logPause   = 10 * time.Second
	// wantLimit is how many jobs one transaction looks at.
	wantLimit = 500
	// claimLimit is how many files are claimed at a time. A claim lasts for
	// claimTime and is renewed every renewEvery, so that the files of a process that
	// died are soon claimed by another one.
	claimLimit = 128
	claimTime  = 2 * time.Minute
	renewEvery = 40 * time.Second
	// fetchTime is how long one task claims files.
	fetchTime = 4 * time.Minute
	// taskPeriod is how long a task that is stuck in the queue blocks the next one.
	taskPeriod = 10 * time.Second
	// releaseTime bounds the release of claims when a process stops.
	releaseTime = 2 * time.Second
)

// WorkStore has the methods of a jobs.Store that a Worker uses.
type WorkStore interface {
	WantFiles(ctx context.Context, at time.Time, limit int) (wanted int, more bool, err error)
	FilesDue(ctx context.Context, at time.Time, batches ...string) (bool, error)
	ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.FileWork, error)
	NameFile(ctx context.Context, f jobs.File) error
	SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error
}

// Queue runs FetchFiles. Enqueueing a task again is not an error.
type Queue interface {
	EnqueueFiles(ctx context.Context, generation int64) error
}

// WorkConfig says how a Worker fetches files.
type WorkConfig struct {
	Batches  []string    // the only batches whose files are fetched; empty: all
	Parallel int         // files at once; DefaultParallel if 0
	Mode     fs.FileMode // of files; artifact.DefaultMode if 0
	// Once means that a file that cannot be fetched has failed. Otherwise it is
	// tried again later, for some hours.
	Once bool
}

// WorkParts are what a Worker works with.
type WorkParts struct {
	Store  WorkStore
	Vendor Vendor
	Queue  Queue
	Clock  Clock
	Logger *slog.Logger
	// Room returns an error that wraps jobs.ErrNoRoom if the disk of a folder has no
	// room for files. It can be nil.
	Room   func(folder string) error
	Random func() float64 // returns numbers in [0,1) for the jitter; default: math/rand
	// Observer is called for each file whose result was recorded, concurrently. It
	// must not block. It can be nil.
	Observer func(result Result, reason Reason, bytes int64)
}

// Worker fetches the files of the batches whose download is ordered in the store.
// The store decides which files are due; a task only wakes a worker. If all tasks
// are lost, files are some seconds late.
type Worker struct {
	WorkConfig
	WorkParts
	retry    client.RetryPolicy
	fetching sync.Mutex // held while this process fetches files

	stopping context.Context
	stop     context.CancelFunc
	loop     sync.WaitGroup
	loggedAt time.Time // of the newest error of the loop
}

// NewWorker returns a worker that does nothing before Start.
func NewWorker(config WorkConfig, parts WorkParts) *Worker {
	if parts.Random == nil {
		parts.Random = rand.Float64
	}
	stopping, stop := context.WithCancel(context.Background())
	return &Worker{WorkConfig: config, WorkParts: parts, retry: client.OutputRetryPolicy(parts.Random), stopping: stopping, stop: stop}
}

// Start starts the loop that looks for files every second. It does not block.
func (w *Worker) Start() { w.loop.Go(func() { w.watch(w.stopping) }) }

// Drain stops the loop and all downloads. Incomplete files are removed, and other
// processes can claim them at once.
func (w *Worker) Drain() { w.stop() }

// Stop calls Drain and waits for the loop. Downloads belong to the queue, so the
// queue should be stopped first.
func (w *Worker) Stop() {
	w.stop()
	w.loop.Wait()
}

func (w *Worker) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		now := w.Clock.Now()
		if err := w.WatchOnce(ctx); err != nil && ctx.Err() == nil && now.Sub(w.loggedAt) >= logPause {
			w.loggedAt = now
			w.Logger.Error("look for files to fetch", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// WatchOnce records all files that are wanted now, and enqueues a task if a file
// is due.
func (w *Worker) WatchOnce(ctx context.Context) error {
	for more := true; more; {
		var err error
		if _, more, err = w.Store.WantFiles(ctx, w.Clock.Now(), wantLimit); err != nil {
			return err
		}
	}
	now := w.Clock.Now()
	due, err := w.Store.FilesDue(ctx, now, w.Batches...)
	if err != nil || !due {
		return err
	}
	return w.Queue.EnqueueFiles(ctx, now.UnixNano()/int64(taskPeriod))
}

// FetchFiles claims and fetches files until none is due. If this process is
// fetching files already, it does nothing.
func (w *Worker) FetchFiles(ctx context.Context) (err error) {
	if !w.fetching.TryLock() {
		return nil
	}
	defer w.fetching.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.stopping, cancel)()
	open := &folders{w.Mode, map[string]*openFolder{}}
	defer func() { err = errors.Join(err, open.closeAll()) }()
	for began := w.Clock.Now(); w.Clock.Now().Sub(began) < fetchTime && ctx.Err() == nil; {
		now := w.Clock.Now()
		works, err := w.Store.ClaimFiles(ctx, now, now.Add(claimTime), claimLimit, w.Batches...)
		if err != nil || len(works) == 0 {
			return err
		}
		if err := w.fetchClaimed(ctx, works, open); err != nil {
			return err
		}
	}
	return nil
}

// fetchClaimed fetches claimed files, one folder after the other.
func (w *Worker) fetchClaimed(ctx context.Context, claimed []jobs.FileWork, open *folders) error {
	ledger := newStoreLedger(w, claimed)
	err := ledger.renewing(ctx, func() error {
		var errs []error
		for _, name := range foldersOf(claimed) {
			if ctx.Err() == nil {
				errs = append(errs, w.fetchFolder(ctx, name, claimed, open, ledger))
			}
		}
		return errors.Join(errs...)
	})
	return errors.Join(err, ledger.release(ctx, err))
}

// foldersOf returns the folders of files in the order of their first file.
func foldersOf(claimed []jobs.FileWork) (names []string) {
	seen := map[string]bool{}
	for _, c := range claimed {
		if !seen[c.File.Folder] {
			seen[c.File.Folder] = true
			names = append(names, c.File.Folder)
		}
	}
	return names
}

// fetchFolder fetches those of the claimed files that belong into a folder. If
// another process writes to the folder, they wait for it.
func (w *Worker) fetchFolder(ctx context.Context, name string, claimed []jobs.FileWork, open *folders, ledger *storeLedger) error {
	folder, err := open.folder(name)
	if err != nil {
		return err
	}
	manifest, err := OpenManifest(ctx, w.Clock, lockWait, folder.openManifest)
	if errors.Is(err, artifact.ErrLocked) {
		return ledger.postpone(ctx, name)
	}
	if err != nil {
		return errors.Join(err, open.close(name))
	}
	_, err = Run(ctx, Config{Parallel: w.Parallel, Retry: w.retry}, Parts{
		Vendor: w.Vendor, Folder: folder.Folder, Ledger: folderLedger{ledger, folder.Folder, manifest}, Clock: w.Clock, Names: folder.names,
		Room: func() error {
			if w.Room == nil {
				return nil
			}
			return w.Room(name)
		},
	}, worksOf(name, claimed))
	if err = errors.Join(err, manifest.Close()); err != nil {
		err = errors.Join(err, open.close(name))
	}
	return err
}

// worksOf yields the works of the claimed files of a folder.
func worksOf(folder string, claimed []jobs.FileWork) iter.Seq2[Work, error] {
	return func(yield func(Work, error) bool) {
		for _, c := range claimed {
			if c.File.Folder != folder {
				continue
			}
			template, err := artifact.ParseOpenTemplate(c.Order.Name) // one order can apply to batches with different columns
			if err != nil {
				err = fmt.Errorf("file names of batch %s: %w", c.Batch.ID, err)
			}
			if !yield(Work{File: c.File, Job: c.Job, Batch: c.Batch, Template: template}, err) {
				return
			}
		}
	}
}
