// Package feed notifies goroutines of this process that wait for a job, a batch or
// events. It reads the event log once for all of them, so that many waiters cost
// the store little:
//
//	AwaitJob, AwaitBatch  wait for the end of a job or a batch             (await.go)
//	WatchBatch            also reports progress and waits for the summary  (watch.go)
//	Follow                sends each event as it is committed              (follow.go)
//
// A feed without subscribers reads nothing.
package feed

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

// Store has the methods of a jobs.Store that a Feed uses.
type Store interface {
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Events(ctx context.Context, f jobs.EventFilter) (page []jobs.Event, upTo int64, err error)
	EventRange(ctx context.Context) (oldest, newest int64, err error)
	News(ctx context.Context, after jobs.Version, delay time.Duration) (jobs.Version, error)
}

// Feed wakes its subscribers when something that they wait for might have
// happened. It reads the event log when Wake is called, and soon after any process
// has committed something. It is safe for concurrent use.
type Feed struct {
	store       Store
	stopping    context.Context
	wake        chan struct{}
	reading     chan struct{} // limits how many followers read the store
	summaryTime time.Duration // how long WatchBatch waits for a summary
	maxRecent   int           // events in memory

	failing atomic.Bool // the last read failed

	mu          sync.Mutex
	running     bool // somebody waits, and run reads the log
	recent      recent
	subscribers map[topic]map[*subscriber]struct{}
}

const (
	newsDelay   = 20 * time.Millisecond // the most that a commit of another process waits to be read
	retryAfter  = time.Second           // after an error
	readPage    = 1000
	summaryTime = 3 * time.Second
	maxRecent   = 4096
	// maxReading is how many followers may read the store at the same time. Hundreds
	// of followers that read a long log must not take all of the store's readers.
	maxReading = 2
)

// New returns a feed of the store's log. When stopping ends, all waiting ends.
func New(stopping context.Context, store Store) *Feed {
	return &Feed{
		store: store, stopping: stopping, wake: make(chan struct{}, 1),
		reading: make(chan struct{}, maxReading), summaryTime: summaryTime, maxRecent: maxRecent,
		subscribers: map[topic]map[*subscriber]struct{}{},
	}
}

// Wake makes the feed read the log now instead of a little later. It never blocks.
func (f *Feed) Wake() { signal(f.wake) }

// signal wakes the goroutine that receives from c. It never blocks.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run reads the log after each Wake, until there are no subscribers.
func (f *Feed) run() {
	ctx, cancel := context.WithCancel(f.stopping)
	defer cancel()
	go f.wakeOnNews(ctx)
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-retry:
		}
		if !f.needed() {
			return
		}
		retry = nil
		err := f.read()
		f.failing.Store(err != nil)
		if err != nil {
			f.notifyAll() // each waiter reads the store itself and returns the error
			retry = time.After(retryAfter)
		}
	}
}

// wakeOnNews calls Wake within newsDelay after any process has committed
// something, until ctx ends.
func (f *Feed) wakeOnNews(ctx context.Context) {
	var seen jobs.Version
	for ctx.Err() == nil {
		version, err := f.store.News(ctx, seen, newsDelay)
		seen = version
		if !f.failing.Load() { // otherwise run reads again after a pause
			f.Wake()
		}
		if err != nil {
			seen = 0 // read as soon as the store can be read again
			select {
			case <-ctx.Done():
			case <-time.After(retryAfter):
			}
		}
	}
}

// needed reports whether run has to continue. If not, the next subscriber starts
// it again.
func (f *Feed) needed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = len(f.subscribers) > 0 && f.stopping.Err() == nil
	return f.running
}

// read publishes the events that were committed since the last read.
func (f *Feed) read() error {
	f.notify(topic{kind: anyChange})
	for after := f.readUpTo(); ; {
		page, upTo, err := f.store.Events(f.stopping, jobs.EventFilter{After: after, Limit: readPage})
		if err != nil {
			return err
		}
		f.publish(page, upTo)
		if len(page) < readPage {
			return nil
		}
		after = upTo
	}
}

// readUpTo returns the position up to which the log has been read.
func (f *Feed) readUpTo() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent.upTo
}

// publish keeps a page of the log and wakes the subscribers of its events.
func (f *Feed) publish(page []jobs.Event, upTo int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent.add(page, upTo)
	for _, e := range page {
		f.notifyLocked(topicOf(e))
	}
	if len(page) > 0 {
		f.notifyLocked(topic{kind: anyEvent})
	}
}
