package simulation

import (
	"context"
	"time"

	"shotline/jobs"
)

// callbackPort is the port of a process's callbacks. It stops less often than
// storePort: before the result of a read is used that another process might change,
// and at each write.
type callbackPort struct {
	port
}

// OpenCursor stops only inside an activity. The first call comes from launch, before
// the process works, and can run at no other time.
func (s callbackPort) OpenCursor(ctx context.Context, name string, at time.Time) (int64, error) {
	if inActivity(ctx) {
		defer s.write(ctx, "open cursor %s", name)()
	}
	return s.Store.OpenCursor(ctx, name, at)
}

func (s callbackPort) CloseCursor(ctx context.Context, name string) error {
	defer s.write(ctx, "close cursor %s", name)()
	return s.Store.CloseCursor(ctx, name)
}

// Events stops between the read of a page of the log and its use.
func (s callbackPort) Events(ctx context.Context, f jobs.EventFilter) ([]jobs.Event, int64, error) {
	page, upTo, err := s.Store.Events(ctx, f)
	if len(page) > 0 {
		s.stops.at(ctx, "read: %d events to %d", len(page), upTo)
	}
	return page, upTo, err
}

func (s callbackPort) AddCallbacks(ctx context.Context, cursor string, from, to int64, callbacks []jobs.Callback, at time.Time) (bool, error) {
	defer s.write(ctx, "owe %d to %s", len(callbacks), cursor)()
	return s.Store.AddCallbacks(ctx, cursor, from, to, callbacks, at)
}

// ClaimCallbacks stops only after a claim of at least one callback.
func (s callbackPort) ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]jobs.Callback, error) {
	claimed, err := s.Store.ClaimCallbacks(ctx, at, again, perLane, limit)
	if len(claimed) > 0 {
		s.stops.at(ctx, "kept: claim %d callbacks", len(claimed))
	}
	return claimed, err
}

// BeginCallback stops before the write only: the next stop is before the callback
// is sent. It also reports the order of the attempts to the targets.
func (s callbackPort) BeginCallback(ctx context.Context, seq, generation int64, at, expiry time.Time) (jobs.Callback, error) {
	s.stops.at(ctx, "store: begin callback %d", seq)
	begun, err := s.Store.BeginCallback(ctx, seq, generation, at, expiry)
	if err == nil {
		s.w.targets.attemptBegun(activityOf(ctx))
	}
	return begun, err
}

// SettleCallback also reports the recorded end to the targets, which then check
// that the process keeps to it.
func (s callbackPort) SettleCallback(ctx context.Context, c jobs.Callback, end jobs.CallbackEnd, at, wake time.Time) error {
	s.stops.at(ctx, "store: settle callback %d", c.Seq)
	err := s.Store.SettleCallback(ctx, c, end, at, wake)
	if err == nil {
		s.w.targets.attemptSettled(c, end)
	}
	return err
}

// ReplayCallbacks also lets the targets expect repeated calls.
func (s callbackPort) ReplayCallbacks(ctx context.Context, f jobs.CallbackFilter, at time.Time) (int, error) {
	defer s.write(ctx, "replay callbacks")()
	s.w.targets.allowRepeats()
	return s.Store.ReplayCallbacks(ctx, f, at)
}
