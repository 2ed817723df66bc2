package throttle

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// acquire returns a slot that is ready.
func (t *Throttle) acquire(ctx context.Context, priority int) (*Slot, error) {
	slot, err := t.Acquire(ctx, priority)
	if err != nil {
		return nil, err
	}
	if err := slot.Ready(ctx); err != nil {
		slot.End(Unused)
		return nil, err
	}
	return slot, nil
}

// mustAcquire is acquire for tests in which it must not fail.
func (t *Throttle) mustAcquire(tb testing.TB) *Slot {
	tb.Helper()
	slot, err := t.acquire(tb.Context(), 0)
	if err != nil {
		tb.Fatal(err)
	}
	return slot
}

// bubbleClock is the clock of a synctest bubble.
type bubbleClock struct{}

func (bubbleClock) Now() time.Time { return time.Now() }

func (bubbleClock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// fakeClock stands still until a test advances it. Sleep advances it, too.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.advance(d)
	return ctx.Err()
}
