package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// The writer itself moves the log into the database (a checkpoint), between two
// transactions, and checks the result. SQLite's automatic checkpoints ignore a
// failed sync. After a failed sync the kernel might have dropped the data that it
// should have written. A later sync does not write that data, so only the log
// still has it.
const (
	moveFrom = 4000 // frames in the log, about 16 MB; large, so that few commits wait for a move

	// If readers keep the log from restarting and it becomes this many times longer
	// than moveFrom, it is shortened. The writer then waits a short time for the
	// readers.
	shortenFactor = 4
	shortenWait   = 20 * time.Millisecond
)

// Pauses before the log is moved again after a failure. Each attempt writes the
// whole log.
const (
	moveAgainAfter  = 50 * time.Millisecond
	moveAgainAtMost = 2 * time.Second
)

// Modes of a checkpoint. A passive one does not wait for readers and moves only
// the frames that they do not need.
const (
	checkpointPassive = "PRAGMA main.wal_checkpoint(PASSIVE)"
	checkpointShorten = "PRAGMA main.wal_checkpoint(TRUNCATE)"
)

// mover decides when the log is moved. Only the writer's goroutine uses it.
type mover struct {
	from   int64 // moveFrom, except in tests
	frames int64 // in the log at the last check
	next   int64 // the log is moved when it has this many frames

	failed      error         // why the last move failed; nil if it did not
	invalidated bool          // after a failure: SQLite no longer treats any frame as moved
	pause       time.Duration // before the next attempt
	retryAt     time.Time
}

// logState is the result of a checkpoint.
type logState struct {
	busy          bool  // other connections blocked all or a part of it
	frames, moved int64 // in the log, and how many of them are in the database
}

// checkpoint runs a checkpoint in the given mode.
func (c *connection) checkpoint(mode string) (state logState, err error) {
	read := false
	err = c.tx.eachRow(func(row []driver.Value) {
		busy, _ := row[0].(int64)
		state.busy = busy != 0
		state.frames, _ = row[1].(int64)
		state.moved, read = row[2].(int64)
	}, mode)
	if err == nil && !read {
		err = fmt.Errorf("%s returned no row", mode)
	}
	return state, err
}

// moveLog moves the log into the database if it is long enough.
func (c *connection) moveLog() {
	frames, err := c.store.logFrames()
	if err != nil {
		c.moveFailed(err)
		return
	}
	if frames < c.frames { // the log has restarted
		c.next = c.from
	}
	if c.frames = frames; frames < c.next {
		return
	}
	// If readers block a part of the log, the next attempt is made at this length.
	c.next = frames + c.from/8
	if frames < shortenFactor*c.from {
		_, err = c.checkpoint(checkpointPassive)
	} else {
		c.next = frames + c.from/2
		err = c.shorten()
	}
	if err != nil {
		c.moveFailed(err)
		return
	}
	c.moves.Add(1)
}

// shorten moves the whole log, restarts it and truncates its file. It waits up to
// shortenWait for readers of older pages.
func (c *connection) shorten() error {
	if err := c.waitForLocks(shortenWait); err != nil {
		return err
	}
	_, err := c.checkpoint(checkpointShorten)
	return errors.Join(err, c.waitForLocks(writerBusyTimeout))
}

// waitForLocks sets how long SQLite waits for locks of other connections. SQLite
// runs this pragma when it compiles it, so a prepared statement would have no
// effect.
func (c *connection) waitForLocks(d time.Duration) error {
	_, err := c.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()))
	return err
}

// moveFailed stops all writes until the log has been moved. Acknowledged writes
// are safe in the log. The whole log has to be moved again: if an earlier move
// covered only a part of the log, its pages were not synced, so the database
// might lack pages that SQLite treats as moved.
func (c *connection) moveFailed(err error) {
	c.moveFailures.Add(1)
	if c.failed == nil {
		c.pause = moveAgainAfter
		c.store.log.Error("could not move the write-ahead log into the database: writes and webhooks are refused until it can be moved",
			"database", c.store.path, "error", err)
	} else {
		c.pause = min(2*c.pause, moveAgainAtMost)
	}
	c.failed = fmt.Errorf("%w: could not move the write-ahead log into the database, will try again: %w",
		jobs.ErrUnavailable, c.store.damage.notice(err))
	c.invalidated = c.invalidateIndex() == nil // if this fails, the next attempt reports why
	c.retryAt = time.Now().Add(c.pause)
}

// moved returns nil if the last move succeeded. If it failed and the pause is
// over, moved moves the log and returns nil if that succeeds.
func (c *connection) moved() error {
	if c.failed == nil {
		return nil
	}
	if time.Now().Before(c.retryAt) {
		return c.failed
	}
	var state logState
	var err error
	if !c.invalidated {
		err = c.invalidateIndex()
	}
	if err == nil {
		state, err = c.checkpoint(checkpointPassive)
	}
	if err == nil && state.frames < 0 { // another process was moving the log, so this call did nothing
		err = fmt.Errorf("%w: another process is moving it", jobs.ErrUnavailable)
	}
	if err != nil {
		c.moveFailed(err)
		return c.failed
	}
	c.moves.Add(1)
	c.mover = mover{from: c.from, frames: state.frames, next: max(c.from, state.frames+c.from/8)}
	c.store.log.Info("moved the write-ahead log into the database: writes and webhooks are accepted again", "database", c.store.path)
	return nil
}

// moveRest moves the log when the store closes and no operation waits any more.
// SQLite would do this when the last connection closes, but would not report a
// failure. If another store has the database open, the log is left to that store,
// unless an earlier move failed here.
func (c *connection) moveRest() error {
	if c.conn == nil || c.suspect != nil || c.usable() != nil {
		return nil
	}
	if c.failed == nil && c.store.shared() {
		return nil
	}
	c.retryAt = time.Time{}
	err := c.moved()
	if err == nil {
		_, err = c.checkpoint(checkpointPassive)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, c.invalidateIndex())
}

// shared reports whether another store has the database open, in this process or
// in another one.
func (s *Store) shared() bool {
	if s.file.shared() {
		return true
	}
	used, err := inUse(s.index)
	return used && err == nil
}

// moveAbandoned moves the whole log that a crash left, and restarts it. The last
// commit in this log might be one whose sync failed: it looks valid, but it might
// not be on disk. If it got lost, everything appended after it would be lost too.
func (s *Store) moveAbandoned(ctx context.Context, conn *sql.Conn) error {
	if !s.abandoned {
		return nil
	}
	for deadline := time.Now().Add(s.busy); ; {
		var state logState
		if err := conn.QueryRowContext(ctx, checkpointShorten).Scan(&state.busy, &state.frames, &state.moved); err != nil {
			return fmt.Errorf("move the write-ahead log that a crash left into the database: %w", err)
		}
		if !state.busy || time.Now().After(deadline) {
			return nil // if it is still busy, other processes have opened the database and use the log already
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}
