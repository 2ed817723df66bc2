package orchestrator

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
func follow(f *Feed, ctx context.Context, filter jobs.EventFilter, n int) (seen []jobs.Event, err error) {
	err = f.Follow(ctx, filter, time.Hour, func(page []jobs.Event, upTo int64) error {
		seen = append(seen, page...)
		if len(page) > 0 && upTo < page[len(page)-1].Seq {
			return errors.New("told of more than it has looked through")
		}
		if len(seen) >= n {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return seen, err
}

func TestFollowTellsEachEventOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(3)
	r.loadAs("b2", 2)
	r.submitAll()
	r.must(r.SubmitBatch(r.ctx(), "b2"))
	r.webhook(r.job(1).ScreenshotID, jobs.OutcomeDone) // before anybody follows

	var all, batch, one []jobs.Event
	one1 := jobs.ID{Batch: rigBatch, Row: 2}
	ends := []func() error{
		r.waits(r.feed, func(ctx context.Context) (err error) {
			all, err = follow(r.feed, ctx, jobs.EventFilter{}, 7)
			return err
		}),
		r.waits(r.feed, func(ctx context.Context) (err error) {
			batch, err = follow(r.feed, ctx, jobs.EventFilter{Batch: "b2"}, 3)
			return err
		}),
		r.waits(r.feed, func(ctx context.Context) (err error) {
			one, err = follow(r.feed, ctx, jobs.EventFilter{Job: one1}, 1)
			return err
		}),
	}
	for _, shot := range r.vendor.shots {
		if shot.ID != r.job(1).ScreenshotID {
			r.webhook(shot.ID, jobs.OutcomeDone)
		}
	}
	for _, end := range ends {
		r.must(end())
	}
	want, _, err := r.store.Events(r.ctx(), jobs.EventFilter{})
	r.must(err)
	if !slices.Equal(all, want) || len(all) != 7 {
		t.Errorf("told of %v\nthe log has %v", all, want)
	}
	if len(batch) != 3 || batch[0].Batch != "b2" || batch[2].Type != jobs.EventBatchFinished {
		t.Errorf("a batch's follower was told of %v", batch)
	}
	if len(one) != 1 || one[0].Job != one1 {
		t.Errorf("a job's follower was told of %v", one)
	}
}

// What is not in memory any more comes from the store, and neither memory nor
// the way from one to the other loses or repeats anything.
func TestFollowGoesFromTheStoreToMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const most = 100
	const rows = 2*most + 50
	r.feed.most = most
	r.load(rows)
	_, err := CancelBatch(r.ctx(), r.store, rigBatch, r.clock)
	r.must(err)
	var late []jobs.Event
	finish := r.waits(r.feed, func(ctx context.Context) (err error) {
		late, err = follow(r.feed, ctx, jobs.EventFilter{}, 2*(rows+1))
		return err
	})
	r.loadAs("b2", rows)
	_, err = CancelBatch(r.ctx(), r.store, "b2", r.clock)
	r.must(err)
	r.must(finish())
	if len(late) != 2*(rows+1) || !slices.IsSortedFunc(late, func(a, b jobs.Event) int { return int(a.Seq - b.Seq) }) {
		t.Fatalf("told of %d events, want %d in order", len(late), 2*(rows+1))
	}
	for i := range late[1:] {
		if late[i].Seq == late[i+1].Seq {
			t.Fatalf("event %d was told twice", late[i].Seq)
		}
	}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	if n := len(r.feed.recent.events); n > 2*most {
		t.Errorf("%d events are in memory, want at most %d", n, 2*most)
	}
}

func TestFollowBeatsWhenNothingHappens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	_, err := CancelBatch(r.ctx(), r.store, rigBatch, r.clock)
	r.must(err)
	beats := 0
	err = r.feed.Follow(r.ctx(), jobs.EventFilter{Job: jobs.ID{Batch: rigBatch, Row: 9}}, time.Millisecond, func(page []jobs.Event, upTo int64) error {
		if beats++; len(page) > 0 || upTo != 2 {
			t.Errorf("a beat tells of %v up to %d", page, upTo)
		}
		if beats == 3 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("following ended with %v", err)
	}
}

func TestFeedSleepsWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	ctx, cancel := context.WithCancel(r.ctx())
	finish := r.waits(r.feed, func(context.Context) error { _, err := r.AwaitJob(ctx, jobs.ID{Batch: rigBatch, Row: 1}); return err })
	cancel()
	if err := finish(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for end := time.Now().Add(reached); r.feed.isLooking(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log is still read")
		}
	}
}

func (f *Feed) isLooking() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looking
}
