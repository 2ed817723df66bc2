package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shotline/jobs"
)

// slowLog is a log in memory whose pages can take some time.
type slowLog struct {
	Store
	read func() // if not nil, called before a page that is not at the end of the log
	scan int64  // the number of positions that a page covers; 0 means all

	mu     sync.Mutex
	events []jobs.Event
}

func (l *slowLog) append(kind jobs.EventType) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, jobs.Event{Seq: int64(len(l.events)) + 1, Type: kind})
}

func (l *slowLog) newest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.events))
}

func (l *slowLog) EventRange(context.Context) (oldest, newest int64, err error) {
	return 1, l.newest(), nil
}

func (l *slowLog) News(ctx context.Context, after jobs.Version, delay time.Duration) (jobs.Version, error) {
	for after > 0 && l.version() == after {
		select {
		case <-ctx.Done():
			return after, ctx.Err()
		case <-time.After(delay):
		}
	}
	return l.version(), nil
}

func (l *slowLog) version() jobs.Version { return jobs.Version(l.newest()) + 1 }

func (l *slowLog) Events(_ context.Context, f jobs.EventFilter) (page []jobs.Event, upTo int64, err error) {
	if upTo = l.newest(); f.After < upTo && l.read != nil {
		l.read()
	}
	if l.scan > 0 {
		upTo = min(upTo, f.After+l.scan)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	page = slices.DeleteFunc(slices.Clone(l.events[f.After:upTo]), func(e jobs.Event) bool { return !f.Selects(e) })
	return page, upTo, nil
}

// A follower of one type of event gets beats while there are events of other types.
func TestFollowBeatsBetweenOtherEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		log := &slowLog{}
		f := New(ctx, log)
		go func() {
			for range 100 {
				select {
				case <-time.After(time.Second):
					log.append(jobs.EventJobDone)
				case <-ctx.Done():
					return
				}
			}
		}()
		began, beats := time.Now(), 0
		err := f.Follow(ctx, jobs.EventFilter{Types: []jobs.EventType{jobs.EventJobLate}}, 15*time.Second, func(page []jobs.Event, upTo int64) error {
			if beats++; len(page) > 0 || upTo == 0 {
				t.Errorf("a beat has %v up to %d, want no events", page, upTo)
			}
			if beats == 3 {
				return errEnough
			}
			return nil
		})
		if took := time.Since(began); !errors.Is(err, errEnough) || took > 45*time.Second {
			t.Errorf("3 beats took %s, %v", took, err)
		}
	})
}

// A follower that reads a long log without a match gets beats meanwhile, and ends
// with the feed.
func TestFollowBeatsWhileItReadsALongLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopping, stop := context.WithCancel(t.Context())
		defer stop()
		log := &slowLog{read: func() { time.Sleep(time.Second) }, scan: 1}
		for range 1000 {
			log.append(jobs.EventJobDone)
		}
		var positions []int64
		err := New(stopping, log).Follow(t.Context(), jobs.EventFilter{Types: []jobs.EventType{jobs.EventJobLate}}, 15*time.Second, func(_ []jobs.Event, upTo int64) error {
			if positions = append(positions, upTo); len(positions) == 3 {
				stop()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) || len(positions) < 3 || positions[2] >= 500 || positions[0] >= positions[1] {
			t.Errorf("beats at %v, then %v", positions, err)
		}
	})
}

func TestFollowersLimitTheirReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopping, stop := context.WithCancel(t.Context())
		defer stop()
		reading, goOn := make(chan struct{}, 10), make(chan struct{})
		log := &slowLog{read: func() { reading <- struct{}{}; <-goOn }}
		log.append(jobs.EventJobDone)
		f := New(stopping, log)
		ended := make(chan error, 10)
		for range cap(ended) {
			go func() {
				_, err := follow(t.Context(), f, jobs.EventFilter{}, 1)
				ended <- err
			}()
		}
		synctest.Wait()
		if n := len(reading); n != maxReading {
			t.Errorf("%d followers read the store at once, want %d", n, maxReading)
		}
		close(goOn)
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
