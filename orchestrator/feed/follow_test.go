package feed

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"shotline/jobs"
)

var errEnough = errors.New("enough")

// follow collects events until there are n.
func follow(ctx context.Context, f *Feed, filter jobs.EventFilter, n int) (events []jobs.Event, err error) {
	err = f.Follow(ctx, filter, time.Hour, func(page []jobs.Event, upTo int64) error {
		events = append(events, page...)
		if len(page) > 0 && upTo < page[len(page)-1].Seq {
			return errors.New("the page has events after the position up to which the log was read")
		}
		if len(events) >= n {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return events, err
}

func TestFollowSendsEachEventOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 3)
	r.load("b2", 2)
	r.submit("b1")
	r.submit("b2")
	r.end(jobs.OutcomeDone, row(1)) // before the followers start

	var all, ofBatch, ofJob []jobs.Event
	ends := []func() error{
		r.waits(r.Feed, func(ctx context.Context) (err error) {
			all, err = follow(ctx, r.Feed, jobs.EventFilter{}, 7)
			return err
		}),
		r.waits(r.Feed, func(ctx context.Context) (err error) {
			ofBatch, err = follow(ctx, r.Feed, jobs.EventFilter{Batch: "b2"}, 3)
			return err
		}),
		r.waits(r.Feed, func(ctx context.Context) (err error) {
			ofJob, err = follow(ctx, r.Feed, jobs.EventFilter{Job: row(2)}, 1)
			return err
		}),
	}
	for _, id := range []jobs.ID{row(2), row(3), {Batch: "b2", Row: 1}, {Batch: "b2", Row: 2}} {
		r.end(jobs.OutcomeDone, id)
	}
	for _, end := range ends {
		r.must(end())
	}
	want, _, err := r.store.Events(r.ctx(), jobs.EventFilter{})
	r.must(err)
	if !slices.Equal(all, want) || len(all) != 7 {
		t.Errorf("got  %v\nwant %v", all, want)
	}
	if len(ofBatch) != 3 || ofBatch[0].Batch != "b2" || ofBatch[2].Type != jobs.EventBatchFinished {
		t.Errorf("the follower of a batch got %v", ofBatch)
	}
	if len(ofJob) != 1 || ofJob[0].Job != row(2) {
		t.Errorf("the follower of a job got %v", ofJob)
	}
}

// Events that are no longer in memory come from the store. No event is lost or
// repeated when the follower switches to memory.
func TestFollowGoesFromTheStoreToMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const most = 100
	const rows = 2*most + 50
	r.maxRecent = most
	r.load("b1", rows)
	r.cancel("b1", rows)
	var events []jobs.Event
	finish := r.waits(r.Feed, func(ctx context.Context) (err error) {
		events, err = follow(ctx, r.Feed, jobs.EventFilter{}, 2*(rows+1))
		return err
	})
	r.load("b2", rows)
	r.cancel("b2", rows)
	r.must(finish())
	if len(events) != 2*(rows+1) || !slices.IsSortedFunc(events, func(a, b jobs.Event) int { return int(a.Seq - b.Seq) }) {
		t.Fatalf("got %d events, want %d in order", len(events), 2*(rows+1))
	}
	for i := range events[1:] {
		if events[i].Seq == events[i+1].Seq {
			t.Fatalf("event %d came twice", events[i].Seq)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.recent.events); n > 2*most {
		t.Errorf("%d events are in memory, want at most %d", n, 2*most)
	}
}

func TestFollowBeatsWhenNothingHappens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	r.cancel("b1", 1)
	beats := 0
	err := r.Follow(r.ctx(), jobs.EventFilter{Job: row(9)}, time.Millisecond, func(page []jobs.Event, upTo int64) error {
		if beats++; len(page) > 0 || upTo != 2 {
			t.Errorf("a beat has %v up to %d, want no events up to 2", page, upTo)
		}
		if beats == 3 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("Follow returned %v", err)
	}
}

func TestIdleFeedReadsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	ctx, cancel := context.WithCancel(r.ctx())
	finish := r.waits(r.Feed, func(context.Context) error { _, err := r.AwaitJob(ctx, row(1)); return err })
	cancel()
	if err := finish(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for end := time.Now().Add(waitLimit); r.isRunning(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log is still read")
		}
	}
}

func (f *Feed) isRunning() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}
