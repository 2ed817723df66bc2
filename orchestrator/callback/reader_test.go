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

func TestASinkThatTakesNothingIsOwedABoundedNumber(t *testing.T) {
	to := newTarget(t, status(500))
	r := newRig(t, sink(t, "ops:job.canceled", to.URL))
	r.maxOwed = 3
	for n := range 10 {
		r.cancel(r.job(""))
		r.must(r.WatchOnce(t.Context()))
		r.tasks.take()
		if got := len(r.callbacks()); got != min(n+1, 3) {
			t.Fatalf("after %d events %d are owed", n+1, got)
		}
	}
	if n := strings.Count(r.log.String(), "takes too little"); n != 1 {
		t.Errorf("told %d times", n)
	}
	to.answers(status(200))
	for range 10 {
		r.clock.pass(time.Minute)
		r.work()
	}
	if n := len(to.got()); n != 10 {
		t.Errorf("%d of 10 events arrived", n)
	}
}

func TestReadersOfTwoProcessesOweEachEventOnce(t *testing.T) {
	to := newTarget(t, nil)
	with := sink(t, "ops:job.canceled", to.URL)
	r := newRig(t, with)
	others := r.another("w2", openStore(t, r.path), with)
	for n := range 6 {
		r.cancel(r.job(to.URL))
		if n%2 == 0 {
			r.must(r.WatchOnce(t.Context()))
		} else {
			r.must(others.WatchOnce(t.Context()))
		}
	}
	r.must(r.WatchOnce(t.Context()))
	r.cancel(r.job(to.URL))
	r.must(others.WatchOnce(t.Context())) // which was behind, and is alone now
	if n := len(r.callbacks()); n != 14 {
		t.Errorf("%d callbacks of 7 events to two targets", n)
	}
}

func TestWhatIsNobodysIsPassedWithFewWrites(t *testing.T) {
	r := newRig(t)
	place := func() int64 {
		at, err := r.store.OpenCursor(t.Context(), kindURL, r.clock.Now())
		r.must(err)
		return at
	}
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context()))
	first := place()
	if first == 0 {
		t.Error("the cursor has not moved")
	}
	for range 5 {
		r.cancel(r.job(""))
		r.must(r.WatchOnce(t.Context()))
	}
	if place() != first {
		t.Error("a write for every look")
	}
	r.clock.pass(saveEvery)
	r.must(r.WatchOnce(t.Context()))
	if _, newest, err := r.store.EventRange(t.Context()); err != nil || place() != newest {
		t.Errorf("the cursor is at %d of %d (%v)", place(), newest, err)
	}
	commits := r.store.Stats().Commits
	r.clock.pass(time.Hour)
	r.must(r.WatchOnce(t.Context()))
	if n := r.store.Stats().Commits - commits; n > 0 {
		t.Errorf("%d commits with nothing to do", n)
	}
}

func TestNothingIsLostBetweenTwoProcesses(t *testing.T) {
	to := newTarget(t, nil)
	r := newRig(t)
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context())) // writes the cursor
	r.cancel(r.job(""))
	r.must(r.WatchOnce(t.Context())) // only looks
	r.cancel(r.job(to.URL))
	// It dies here; its heir begins at the cursor.
	r.Deliverer = r.another("w2", openStore(t, r.path))
	r.cancel(r.job(to.URL))
	r.work()
	if n := len(to.got()); n != 2 {
		t.Errorf("%d of 2 arrived", n)
	}
}

func TestPagesWithLargeBodiesAreCut(t *testing.T) {
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
	owed, told, err := r.readers[0].tell(t.Context(), r.Deliverer, page)
	r.must(err)
	if len(owed) != 4 || told != page[3].Seq {
		t.Errorf("%d of %d in a page, up to %d", len(owed), n, told)
	}
	r.must(r.WatchOnce(t.Context()))
	if got := len(r.callbacks()); got != n {
		t.Errorf("%d of %d are owed", got, n)
	}
}

// full is the store of a full disk.
type full struct{ Store }

func (full) OpenCursor(context.Context, string, time.Time) (int64, error) {
	return 0, jobs.ErrUnavailable
}

func TestAStartWithoutRoomOnTheDiskIsMadeGood(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	with := sink(t, "ops:job.canceled", to.URL)
	c := r.another("w2", full{r.store}, with)
	if err := c.WatchOnce(t.Context()); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("watched: %v", err)
	}
	c.store = r.store // there is room again
	r.must(c.WatchOnce(t.Context()))
	r.cancel(r.job(""))
	r.must(c.WatchOnce(t.Context()))
	if n := len(r.callbacks()); n != 1 {
		t.Errorf("%d callbacks", n)
	}
}

func TestLaneOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://Example.com/a?b": "https://example.com", "http://example.com:8080/x": "http://example.com:8080", "https://example.com:443": "https://example.com:443", "http://[::1": kindURL,
	} {
		if got := laneOf(url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}
