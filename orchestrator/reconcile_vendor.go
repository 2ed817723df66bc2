package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/client"
	"shotline/orchestrator/throttle"
)

// ErrNoKey is returned by a Vendor that cannot be queried because there is no API
// key. Jobs are not given up because of it.
var ErrNoKey = errors.New("no API key")

// errStopped is returned after the vendor did not answer earlier in this pass.
var errStopped = errors.New("the vendor is not queried any further")

// How long a pass waits for a vendor that limits its rate.
const (
	limitTries = 8
	limitPause = 2 * time.Minute
)

// reconcileVendor queries the vendor for one Reconcile and counts the calls. It
// waits when the vendor limits our rate. If the vendor does not answer or refuses
// the key, it sends no further queries, since each would only take another timeout.
// One goroutine uses it.
type reconcileVendor struct {
	vendor   queries
	clock    Clock
	throttle *throttle.Throttle
	calls    int
	stopped  error // why the vendor is not queried any more
}

// Info implements queries.
func (v *reconcileVendor) Info(ctx context.Context, id string) (shot client.Screenshot, err error) {
	err = v.try(ctx, func() error { shot, err = v.vendor.Info(ctx, id); return err })
	return shot, err
}

// List implements queries.
func (v *reconcileVendor) List(ctx context.Context, o client.ListOptions) (shots []client.Screenshot, err error) {
	err = v.try(ctx, func() error { shots, err = v.vendor.List(ctx, o); return err })
	return shots, err
}

// Search implements queries.
func (v *reconcileVendor) Search(ctx context.Context, o client.SearchOptions) (shots []client.Screenshot, err error) {
	err = v.try(ctx, func() error { shots, err = v.vendor.Search(ctx, o); return err })
	return shots, err
}

// try makes a call, and repeats it after a rate limit.
func (v *reconcileVendor) try(ctx context.Context, call func() error) error {
	if errors.Is(v.stopped, ErrNoKey) {
		return v.stopped
	}
	if v.stopped != nil {
		return errStopped
	}
	err := v.repeat(ctx, call)
	if stopsAll(ctx, err) {
		v.stopped = err
	}
	return err
}

func (v *reconcileVendor) repeat(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		if errors.Is(err, ErrNoKey) {
			return err // nothing was sent
		}
		v.calls++
		var limited *client.RateLimitError
		if !errors.As(err, &limited) || try == limitTries {
			return err
		}
		v.throttle.PauseFor(limited.Delay)
		until, _ := v.throttle.Paused()
		wait := until.Sub(v.clock.Now())
		if wait > limitPause {
			return err
		}
		if stop := v.clock.Sleep(ctx, wait); stop != nil {
			return fmt.Errorf("%w: %w", stop, err)
		}
	}
}
