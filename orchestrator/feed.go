package orchestrator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"shotline/jobs"
)

// FeedStore is what a Feed reads.
type FeedStore interface {
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Events(ctx context.Context, f jobs.EventFilter) (page []jobs.Event, upTo int64, err error)
	EventRange(ctx context.Context) (oldest, newest int64, err error)
	News(ctx context.Context, after jobs.Version, delay time.Duration) (jobs.Version, error)
}

// Feed tells those in this process who wait for something that it may have
// happened. It reads the event log once for all of them: when Wake is called, and
// soon after any process has changed the database. While nobody waits it does
// nothing. Safe for concurrent use.
type Feed struct {
	store    FeedStore
	stopping context.Context
	wake     chan struct{}
	reading  chan struct{} // holds those who follow and read the store
	summary  time.Duration // how long Attend gives a summary
	most     int           // events in memory

	mu      sync.Mutex
	looking bool // somebody waits, and look is running
	recent  recent
	waiting map[topic]map[*listener]struct{}
}

const (
	newsAfter   = 20 * time.Millisecond // how late a commit is read at most
	lookAgain   = time.Second           // after an error
	feedPage    = 1000
	summaryTime = 3 * time.Second
	mostRecent  = 4096
	// mostReading is how many who follow may read the store at once: hundreds that
	// go through a long log leave readers to everybody else.
	mostReading = 2
)

// NewFeed is a feed of what the store's log holds. When stopping ends, all
// waiting does.
func NewFeed(stopping context.Context, store FeedStore) *Feed {
	return &Feed{
		store: store, stopping: stopping, wake: make(chan struct{}, 1),
		reading: make(chan struct{}, mostReading), summary: summaryTime, most: mostRecent,
		waiting: map[topic]map[*listener]struct{}{},
	}
}

// Wake has the log read now rather than a little later. It never blocks.
func (f *Feed) Wake() { nudge(f.wake) }

// topic is what a listener wants to hear of.
type topic struct {
	of about
	id jobs.ID // its row is 0 for a batch
}

type about int

const (
	aboutJob    about = iota
	aboutBatch        // events of the batch itself
	aboutEvents       // of all of them
	aboutChange       // whatever changed in the database
)

// topicOf is the topic of those who wait for what an event is about.
func topicOf(e jobs.Event) topic {
	if e.Job.IsZero() {
		return topic{aboutBatch, jobs.ID{Batch: e.Batch}}
	}
	return topic{aboutJob, e.Job}
}

// listener is woken at least once after anything happened on its topic. It has to
// look for itself.
type listener struct {
	topic topic
	woken chan struct{}
}

// join begins to listen: whatever is committed after join has returned will wake
// the listener. Each join is followed by leave.
func (f *Feed) join(ctx context.Context, t topic) (*listener, error) {
	w := &listener{t, make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.looking {
		_, newest, err := f.store.EventRange(ctx)
		if err != nil {
			return nil, fmt.Errorf("join the feed: %w", err)
		}
		f.recent = recent{from: newest, upTo: newest, most: f.most}
		f.looking = true
		go f.look()
	}
	if f.waiting[t] == nil {
		f.waiting[t] = map[*listener]struct{}{}
	}
	f.waiting[t][w] = struct{}{}
	return w, nil
}

func (f *Feed) leave(w *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting[w.topic], w)
	if len(f.waiting[w.topic]) == 0 {
		delete(f.waiting, w.topic)
	}
	if len(f.waiting) == 0 {
		f.Wake() // look can end
	}
}

// look reads the log at each Wake until nobody waits any more.
func (f *Feed) look() {
	ctx, cancel := context.WithCancel(f.stopping)
	defer cancel()
	go f.watch(ctx)
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-again:
		}
		if !f.wanted() {
			return
		}
		again = nil
		if err := f.read(); err != nil {
			f.wakeAll() // each waiter meets the error when it reads for itself
			again = time.After(lookAgain)
		}
	}
}

// watch calls Wake within newsAfter after this or another process has committed
// something, until ctx ends.
func (f *Feed) watch(ctx context.Context) {
	var seen jobs.Version
	for ctx.Err() == nil {
		version, err := f.store.News(ctx, seen, newsAfter)
		seen = version
		f.Wake()
		if err != nil {
			seen = 0 // look as soon as the store can be read again
			select {
			case <-ctx.Done():
			case <-time.After(lookAgain):
			}
		}
	}
}

func (f *Feed) wanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looking = len(f.waiting) > 0 && f.stopping.Err() == nil
	return f.looking
}

// read publishes what is new in the log.
func (f *Feed) read() error {
	f.tell(topic{of: aboutChange})
	for place := f.place(); ; {
		page, upTo, err := f.store.Events(f.stopping, jobs.EventFilter{After: place, Limit: feedPage})
		if err != nil {
			return err
		}
		f.publish(page, upTo)
		if len(page) < feedPage {
			return nil
		}
		place = upTo
	}
}

func (f *Feed) place() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent.upTo
}

func (f *Feed) publish(page []jobs.Event, upTo int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent.add(page, upTo)
	for _, e := range page {
		f.tellLocked(topicOf(e))
	}
	if len(page) > 0 {
		f.tellLocked(topic{of: aboutEvents})
	}
}

func (f *Feed) tell(t topic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tellLocked(t)
}

func (f *Feed) tellLocked(t topic) {
	for w := range f.waiting[t] {
		nudge(w.woken)
	}
}

func (f *Feed) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range f.waiting {
		f.tellLocked(t)
	}
}
