package feed

import (
	"context"
	"fmt"

	"shotline/jobs"
)

// subscriber is woken at least once after an event of its topic. It should then
// read the store, which has the new state.
type subscriber struct {
	topic topic
	woken chan struct{}
}

// topic selects the events that wake a subscriber.
type topic struct {
	kind kind
	id   jobs.ID // of a job; its row is 0 for a batch
}

type kind int

const (
	jobEvent   kind = iota
	batchEvent      // an event of the batch itself
	anyEvent
	anyChange // any commit, with events or without
)

// topicOf returns the topic of an event's job, or of its batch if it has no job.
func topicOf(e jobs.Event) topic {
	if e.Job.IsZero() {
		return topic{batchEvent, jobs.ID{Batch: e.Batch}}
	}
	return topic{jobEvent, e.Job}
}

// subscribe starts the feed if it does not run. Anything that is committed after
// subscribe has returned wakes the subscriber. Each subscribe is followed by
// unsubscribe.
func (f *Feed) subscribe(ctx context.Context, t topic) (*subscriber, error) {
	s := &subscriber{t, make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.running {
		_, newest, err := f.store.EventRange(ctx)
		if err != nil {
			return nil, fmt.Errorf("join the feed: %w", err)
		}
		f.recent = recent{from: newest, upTo: newest, most: f.maxRecent}
		f.running = true
		go f.run()
	}
	if f.subscribers[t] == nil {
		f.subscribers[t] = map[*subscriber]struct{}{}
	}
	f.subscribers[t][s] = struct{}{}
	return s, nil
}

func (f *Feed) unsubscribe(s *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.subscribers[s.topic], s)
	if len(f.subscribers[s.topic]) == 0 {
		delete(f.subscribers, s.topic)
	}
	if len(f.subscribers) == 0 {
		f.Wake() // run can end
	}
}

func (f *Feed) notify(t topic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notifyLocked(t)
}

func (f *Feed) notifyLocked(t topic) {
	for s := range f.subscribers[t] {
		signal(s.woken)
	}
}

func (f *Feed) notifyAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range f.subscribers {
		f.notifyLocked(t)
	}
}
