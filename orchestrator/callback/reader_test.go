package callback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

func TestUndeliveredCallbacksOfASinkAreBounded(t *testing.T) {
	to := newTarget(t, status(500))
	r := newRig(t, sink(t, "ops:job.canceled", to.URL))
	r.maxUndelivered = 3
	for n := range 10 {
		r.cancel(r.job(""))
		r.must(r.WatchOnce(t.Context()))
		r.tasks.take()
		if got := len(r.callbacks()); got != min(n+1, 3) {
			t.Fatalf("after %d events: got %d undelivered callbacks", n+1, got)
		}
	}
	if n := strings.Count(r.log.String(), "too many undelivered callbacks"); n != 1 {
		t.Errorf("got %d warnings, want 1", n)
	}
	to.setAnswer(status(200))
	for range 10 {
		r.clock.pass(time.Minute)
		r.work()
	}
	if n := len(to.got()); n != 10 {
		t.Errorf("got %d callbacks, want 10", n)
	}
}

func TestTwoReadersMakeOneCallbackPerEvent(t *testing.T) {
	to := newTarget(t, nil)
	with := sink(t, "ops:job.canceled", to.URL)
	r := newRig(t, with)
	other := r.newDeliverer("w2", openStore(t, r.path), with)
	for n := range 6 {
		r.cancel(r.job(to.URL))
		if n%2 == 0 {
			r.must(r.WatchOnce(t.Context()))
		} else {
			r.must(other.WatchOnce(t.Context()))
		}
	}
	r.must(r.WatchOnce(t.Context()))
	r.cancel(r.job(to.URL))
	r.must(other.WatchOnce(t.Context())) // its reader is behind
	if n := len(r.callbacks()); n != 14 {
		t.Errorf("got %d callbacks for 7 events and two targets, want 14", n)
	}
}

func TestEventsWithoutCallbacksCauseFewWrites(t *testing.T) {
	r := newRig(t)
	cursor := func() int64 {
		at, err := r.store.OpenCursor(t.Context(), kindURL, r.clock.Now())
		r.must(err)
		return at
	}
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context()))
	first := cursor()
	if first == 0 {
		t.Error("cursor did not move")
	}
	for range 5 {
		r.cancel(r.job(""))
		r.must(r.WatchOnce(t.Context()))
	}
	if cursor() != first {
		t.Error("cursor moved before saveEvery")
	}
	r.clock.pass(saveEvery)
	r.must(r.WatchOnce(t.Context()))
	if _, newest, err := r.store.EventRange(t.Context()); err != nil || cursor() != newest {
		t.Errorf("got cursor %d, want %d; %v", cursor(), newest, err)
	}
	commits := r.store.Stats().Commits
	r.clock.pass(time.Hour)
	r.must(r.WatchOnce(t.Context()))
	if n := r.store.Stats().Commits - commits; n > 0 {
		t.Errorf("got %d commits without new events", n)
	}
}

func TestReaderContinuesAfterACrash(t *testing.T) {
	to := newTarget(t, nil)
	r := newRig(t)
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context())) // stores the cursor
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context())) // does not store the cursor
	r.cancel(r.job(to.URL))
	// The process crashes here. The next one begins at the stored cursor.
	r.Deliverer = r.newDeliverer("w2", openStore(t, r.path))
	r.cancel(r.job(to.URL))
	r.work()
	if n := len(to.got()); n != 2 {
		t.Errorf("got %d callbacks, want 2", n)
	}
}

func TestPagesWithLargeBodiesAreSplit(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	const n = 8
	for i := range n {
		spec := jobs.BatchSpec{ID: fmt.Sprintf("big%d", i), CallbackURL: to.URL}
		j, err := r.store.AddJob(t.Context(), spec, jobs.Request{URL: "https://example.com/", Metadata: jobs.Metadata{"x": strings.Repeat("x", 1<<20)}}, r.clock.Now())
		r.must(err)
		r.cancel(j.ID)
	}
	page, _, err := r.store.Events(t.Context(), jobs.EventFilter{Calls: true})
	r.must(err)
	callbacks, cutAt, err := r.readers[0].newCallbacks(t.Context(), r.Deliverer, page)
	r.must(err)
	if len(callbacks) != 4 || cutAt != page[3].Seq {
		t.Errorf("got %d of %d callbacks, cut at event %d", len(callbacks), n, cutAt)
	}
	r.must(r.WatchOnce(t.Context()))
	if got := len(r.callbacks()); got != n {
		t.Errorf("got %d callbacks, want %d", got, n)
	}
}

// fullDisk is a store that cannot write.
type fullDisk struct{ Store }

func (fullDisk) OpenCursor(context.Context, string, time.Time) (int64, error) {
	return 0, jobs.ErrUnavailable
}

func TestOpenWithAFullDisk(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	with := sink(t, "ops:job.canceled", to.URL)
	c := r.newDeliverer("w2", fullDisk{r.store}, with)
	if err := c.WatchOnce(t.Context()); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("WatchOnce returned %v", err)
	}
	c.store = r.store // the disk has space again
	r.must(c.WatchOnce(t.Context()))
	r.cancel(r.job(""))
	r.must(c.WatchOnce(t.Context()))
	if n := len(r.callbacks()); n != 1 {
		t.Errorf("got %d callbacks, want 1", n)
	}
}

func TestLaneOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://Example.com/a?b": "https://example.com", "http://example.com:8080/x": "http://example.com:8080", "https://example.com:443": "https://example.com:443", "http://[::1": kindURL,
	} {
		if got := laneOf(url); got != want {
			t.Errorf("laneOf(%s) = %s", url, got)
		}
	}
}
