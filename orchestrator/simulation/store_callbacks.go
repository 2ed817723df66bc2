package simulation

import (
	"context"
	"time"

	"shotline/jobs"
)

// callbackPort is the store of a process's callbacks. It stops less often than
// storePort: only where something is read that others may change before it is
// used, and where something is written.
type callbackPort struct {
	jobs.Store
	port storePort
}

// Events stops between a page of the log and what is made of it.
func (s callbackPort) Events(ctx context.Context, f jobs.EventFilter) ([]jobs.Event, int64, error) {
	page, upTo, err := s.Store.Events(ctx, f)
	if len(page) > 0 {
		s.port.stops.at(ctx, "read: %d events to %d", len(page), upTo)
	}
	return page, upTo, err
}

func (s callbackPort) Owe(ctx context.Context, cursor string, from, to int64, callbacks []jobs.Callback, at time.Time) (bool, error) {
	defer s.port.write(ctx, "owe %d to %s", len(callbacks), cursor)()
	return s.Store.Owe(ctx, cursor, from, to, callbacks, at)
}

// ClaimCallbacks stops after it alone, and only when there were any.
func (s callbackPort) ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]jobs.Callback, error) {
	claimed, err := s.Store.ClaimCallbacks(ctx, at, again, perLane, limit)
	if len(claimed) > 0 {
		s.port.stops.at(ctx, "kept: claim %d callbacks", len(claimed))
	}
	return claimed, err
}

// BeginCallback is followed by the stop before what is sent. The audience has to
// know what comes after what.
func (s callbackPort) BeginCallback(ctx context.Context, seq, generation int64, at, until time.Time) (jobs.Callback, error) {
	s.port.stops.at(ctx, "store: begin callback %d", seq)
	begun, err := s.Store.BeginCallback(ctx, seq, generation, at, until)
	if err == nil {
		s.port.w.audience.begun(activityOf(ctx))
	}
	return begun, err
}

// SettleCallback also tells the audience: what is recorded binds.
func (s callbackPort) SettleCallback(ctx context.Context, c jobs.Callback, end jobs.CallbackEnd, at, wake time.Time) error {
	s.port.stops.at(ctx, "store: settle callback %d", c.Seq)
	err := s.Store.SettleCallback(ctx, c, end, at, wake)
	if err == nil {
		s.port.w.audience.settled(c, end)
	}
	return err
}
