package download

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
)

// DefaultParallel is how many files are fetched at once unless Config says
// otherwise.
const DefaultParallel = 8

// Clock is the time that Run works with.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config says how to fetch.
type Config struct {
	Parallel  int     // files at once; DefaultParallel if 0
	Rate      float64 // calls per second; no limit if 0
	NoClobber bool    // keep files that exist: neither fetch them nor remove earlier versions
	Retry     client.RetryPolicy
	MaxSize   int64         // bytes of one file; DefaultMaxSize if 0
	MaxTime   time.Duration // for one call; DefaultMaxTime if 0
}

// Parts are what Run works with.
type Parts struct {
	Vendor Vendor
	Folder *artifact.Folder
	Ledger Ledger
	Clock  Clock
	// Room is called before each file. It returns an error that wraps jobs.ErrNoRoom
	// if the disk has no room for files. It can be nil.
	Room func() error
	// Names are shared by the Runs for a folder. They can be nil.
	Names *Names
	// Ended is called for each file that has ended and is recorded, by one goroutine
	// at a time. It can be nil.
	Ended func(Work)
}

// runner is the state of a Run.
type runner struct {
	Config
	Parts
	pace  *pace
	names *namer

	mu       sync.Mutex
	failures int // in a row
}

// The ends of files are recorded in groups, because each record has to reach the
// disk.
const (
	groupSize  = 256
	groupDelay = 50 * time.Millisecond
)

// Run fetches all works and returns how they ended. It stops with an error if the
// disk cannot be written, the vendor refuses the key, or many files in a row
// cannot be fetched. All files that it saved until then are recorded. If ctx is
// canceled, incomplete files are removed.
func Run(ctx context.Context, config Config, parts Parts, works iter.Seq2[Work, error]) (Counts, error) {
	if config.Parallel <= 0 {
		config.Parallel = DefaultParallel
	}
	if config.MaxSize <= 0 {
		config.MaxSize = DefaultMaxSize
	}
	if config.MaxTime <= 0 {
		config.MaxTime = DefaultMaxTime
	}
	if parts.Names == nil {
		parts.Names = NewNames()
	}
	r := &runner{
		Config: config, Parts: parts, pace: newPace(parts.Clock, config.Rate), names: &namer{parts.Ledger, parts.Names},
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := ctx
	group, ctx := errgroup.WithContext(ctx)
	queue, ended := make(chan *Work, config.Parallel), make(chan *Work, config.Parallel)
	senders := sync.WaitGroup{} // to ended
	send := func(do func() error) {
		senders.Add(1)
		group.Go(func() error { defer senders.Done(); return do() })
	}
	send(func() error {
		defer close(queue)
		return r.dispatch(ctx, works, queue, ended)
	})
	for range config.Parallel {
		send(func() error { return r.work(ctx, queue, ended) })
	}
	go func() { senders.Wait(); close(ended) }()
	var counts Counts
	group.Go(func() error {
		err := r.settle(context.WithoutCancel(ctx), ended, &counts)
		cancel(err) // before the channel is emptied: it is closed when the others have stopped
		for range ended {
		}
		return err
	})
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = context.Cause(stopped) // a worker can report the cancel before settle reports its cause
	}
	return counts, err
}

// dispatch names the files in their order, so that the same files get the same
// names in every run, and hands them to the workers.
func (r *runner) dispatch(ctx context.Context, works iter.Seq2[Work, error], queue, ended chan<- *Work) error {
	for w, err := range works {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		extension := artifact.ExpectedExtension(w.File.Output, w.Job.Params, w.Batch.Params)
		err := r.names.assign(ctx, &w, extension)
		if errors.Is(err, jobs.ErrLeaseLost) {
			continue // the job has another screenshot by now, or none
		}
		unnamed := errors.Is(err, jobs.ErrExists)
		if err != nil && !unnamed {
			return err
		}
		to := queue
		if unnamed {
			w.File.Tries++
			r.end(&w, err)
			to = ended
		} else if r.keep(&w) {
			to = ended
		}
		select {
		case to <- &w:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// work fetches files until there are no more.
func (r *runner) work(ctx context.Context, queue <-chan *Work, ended chan<- *Work) error {
	for w := range queue {
		if err := r.fetch(ctx, w); err != nil {
			return err
		}
		ended <- w // settle reads until the channel is closed
		if err := r.count(w); err != nil {
			return err
		}
	}
	return nil
}

// count returns an error if too many files in a row have failed: then the vendor
// does not work, and the other files would only fail, too.
func (r *runner) count(w *Work) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.File.State != jobs.FileFailed {
		r.failures = 0
		return nil
	}
	if r.failures++; r.failures >= max(20, 3*r.Parallel) {
		return errTooMany(r.failures, w.File.Error)
	}
	return nil
}

// settle records the ends of files until the channel is closed.
func (r *runner) settle(ctx context.Context, ended <-chan *Work, counts *Counts) error {
	for {
		group, more := nextGroup(ended)
		if len(group) > 0 {
			if err := r.replace(group); err != nil {
				return err
			}
			if err := r.Ledger.SettleFiles(ctx, group); err != nil {
				return err
			}
		}
		for _, w := range group {
			counts.Add(w)
			if r.Ended != nil {
				r.Ended(w)
			}
		}
		if !more {
			return nil
		}
	}
}

// replace makes the names of saved files durable, and then removes the earlier
// versions that have other names. They are removed before the new ones are
// recorded: after a crash between the two, the files are fetched again, and the
// earlier versions are still known.
func (r *runner) replace(group []Work) error {
	if err := r.Folder.Sync(); err != nil {
		return err
	}
	for _, w := range group {
		if w.File.State != jobs.FileSaved || w.Kept || r.NoClobber || w.File.Old.Name == "" || w.File.Old.Name == w.File.Name {
			continue
		}
		if err := r.Folder.RemoveOld(w.File.Old, w.File.Name); err != nil {
			return err
		}
	}
	return nil
}

// nextGroup collects files until the group is full or its first file has waited
// for groupDelay. It returns false if there are no more.
func nextGroup(ended <-chan *Work) (group []Work, more bool) {
	w, open := <-ended
	if !open {
		return nil, false
	}
	group = append(group, *w)
	timer := time.NewTimer(groupDelay)
	defer timer.Stop()
	for len(group) < groupSize {
		select {
		case w, open := <-ended:
			if !open {
				return group, false
			}
			group = append(group, *w)
		case <-timer.C:
			return group, true
		}
	}
	return group, true
}
