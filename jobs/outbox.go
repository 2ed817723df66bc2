package jobs

import (
	"context"
	"time"
)

// Outbox keeps the callbacks to the users' programs. Readers turn events into
// callbacks: one reader for all callback URLs and one for each sink, each with
// its own cursor in the event log. Prune keeps events that a reader has not read
// yet.
type Outbox interface {
	// OpenCursor returns the place of the named reader in the log. A new reader
	// begins at the end of the log and gets no earlier events.
	OpenCursor(ctx context.Context, name string, at time.Time) (place int64, err error)
	// CloseCursor removes a reader, so that Prune no longer waits for it.
	CloseCursor(ctx context.Context, name string) error
	// Cursors returns the names of all readers.
	Cursors(ctx context.Context) ([]string, error)
	// AddCallbacks adds callbacks that are due at once and moves the reader's cursor from
	// one place to another in the same transaction. If the cursor is not at from,
	// another process was faster: moved is false and nothing has changed. There is
	// one callback per event and target, even if it is added several times.
	AddCallbacks(ctx context.Context, cursor string, from, to int64, callbacks []Callback, at time.Time) (moved bool, err error)
	// ClaimCallbacks returns owed callbacks whose wake time has come by at, the
	// earliest first. Of each lane it claims only as many that at most perLane are
	// under way. A callback is under way if it was claimed or begun, is not settled
	// yet, and its wake time has not come. Each claimed callback gets its next
	// generation and the wake time again. Bodies are not read. The cost grows with
	// the number of lanes that have owed callbacks, not with the number of
	// callbacks.
	ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]Callback, error)
	// CountOwed counts the owed callbacks of a lane and stops at most.
	CountOwed(ctx context.Context, lane string, most int) (int, error)
	// BeginCallback counts an attempt and reserves the callback until expiry. It
	// returns ErrLeaseLost unless the callback is owed, due by at and in this
	// generation, and no other attempt is under way.
	BeginCallback(ctx context.Context, seq, generation int64, at, expiry time.Time) (Callback, error)
	// SettleCallback ends the attempt that BeginCallback returned. If the callback
	// is still owed, its wake time becomes wake, or DueAt if that is later. It
	// returns ErrLeaseLost if the callback was claimed, begun or settled by another
	// caller in the meantime.
	SettleCallback(ctx context.Context, c Callback, end CallbackEnd, at, wake time.Time) error
	// ReplayCallbacks makes dead callbacks owed again with no attempts, and makes
	// owed callbacks that wait for their next attempt due at once. It skips
	// callbacks under way, and delivered ones because their body is gone. It
	// returns the number of replayed callbacks. The filter's Before and Limit are
	// ignored.
	ReplayCallbacks(ctx context.Context, f CallbackFilter, at time.Time) (int, error)
	// Callbacks lists callbacks, newest first, without their bodies.
	Callbacks(ctx context.Context, f CallbackFilter) ([]Callback, error)
}
