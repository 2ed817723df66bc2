package jobs

import (
	"context"
	"time"
)

// Outbox is what is owed to the users' own programs. Events are turned into
// callbacks by readers that each have a cursor of their own in the log: one for
// the callback URLs of batches and one for each sink. What a reader has not got
// to yet is owed by the log itself, and Prune spares it.
type Outbox interface {
	// OpenCursor returns the place of the named reader of the log. A new one
	// begins at the end of the log: it is told nothing of the past.
	OpenCursor(ctx context.Context, name string, at time.Time) (place int64, err error)
	// CloseCursor forgets a reader, so that Prune waits for it no more.
	CloseCursor(ctx context.Context, name string) error
	// Cursors are the names of all readers.
	Cursors(ctx context.Context) ([]string, error)
	// Owe adds callbacks, due at once, and moves the reader's cursor from one
	// place to another in the same transaction. moved is false, and nothing has
	// happened, when the cursor is not at from: another process was faster. Of
	// one event and target there is one callback, however often it is added.
	Owe(ctx context.Context, cursor string, from, to int64, callbacks []Callback, at time.Time) (moved bool, err error)
	// ClaimCallbacks returns owed callbacks whose wake time has come by at,
	// earliest first, but of each lane only so many that with those claimed or
	// begun before and not settled yet no more than perLane are under way; one
	// whose wake time has come is not under way any more. Each gets the next
	// generation and the wake time again. Bodies are not read. What it costs grows
	// with the number of lanes that owe something, not with that of callbacks.
	ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]Callback, error)
	// Owed counts the owed callbacks of a lane, up to most.
	Owed(ctx context.Context, lane string, most int) (int, error)
	// BeginCallback counts an attempt and keeps others off until until.
	// ErrLeaseLost unless the callback is owed, due by at and in this generation,
	// and no other attempt of it is under way.
	BeginCallback(ctx context.Context, seq, generation int64, at, until time.Time) (Callback, error)
	// SettleCallback ends the attempt that BeginCallback returned; of an owed one
	// the wake time becomes wake, or DueAt when that is later. ErrLeaseLost when
	// the callback was claimed or begun anew or settled meanwhile.
	SettleCallback(ctx context.Context, c Callback, end CallbackEnd, at, wake time.Time) error
	// ReplayCallbacks makes dead callbacks owed again, with no attempts, and owed
	// ones that wait for their next attempt due at once; those under way, and
	// delivered ones, whose body is gone, are passed over. It returns how many. The
	// filter's Before and Limit do not matter.
	ReplayCallbacks(ctx context.Context, f CallbackFilter, at time.Time) (int, error)
	// Callbacks lists callbacks, newest first, without their bodies.
	Callbacks(ctx context.Context, f CallbackFilter) ([]Callback, error)
}
