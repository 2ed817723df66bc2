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

// The log is moved into the database by the writer, between two transactions,
// and the result is looked at. SQLite's own checkpoints ignore a sync that
// failed. After one the kernel may have dropped what was to be written, and a
// later sync does not bring it back: only the log has it.
const (
	moveFrom = 4000 // frames in the log, some 16 MB: few commits wait for a move

	// A log that readers keep from beginning anew, and that has become so much
	// longer than moveFrom, is shortened: the writer waits for them a little.
	shortenFactor = 4
	shortenWait   = 20 * time.Millisecond
)

// Pauses between tries to move the log after one has failed. Each try writes all
// of the log again.
const (
	moveAgainAfter  = 50 * time.Millisecond
	moveAgainAtMost = 2 * time.Second
)

// Ways to checkpoint. A passive one moves what no reader is in the way of.
const (
	checkpointPassive = "PRAGMA main.wal_checkpoint(PASSIVE)"
	checkpointShorten = "PRAGMA main.wal_checkpoint(TRUNCATE)"
)

// mover decides when the log is moved. It belongs to the writer's goroutine.
type mover struct {
	from   int64 // moveFrom, but in tests
	frames int64 // in the log when it was looked at last
	next   int64 // frames from which it is moved

	failed    error         // why the last move failed; nil if it did not
	forgotten bool          // after that: SQLite takes nothing of the log for moved any more
	pause     time.Duration // until the next try
	againAt   time.Time
}

// logState is what a checkpoint says.
type logState struct {
	busy          bool  // others were in the way of all or a part
	frames, moved int64 // in the log, and of them in the database
}

// checkpoint runs one of the ways.
func (c *connection) checkpoint(way string) (state logState, err error) {
	read := false
	err = c.tx.eachRow(func(row []driver.Value) {
		busy, _ := row[0].(int64)
		state.busy = busy != 0
		state.frames, _ = row[1].(int64)
		state.moved, read = row[2].(int64)
	}, way)
	if err == nil && !read {
		err = fmt.Errorf("%s told nothing", way)
	}
	return state, err
}

// moveLog moves the log into the database if it has become long enough.
func (c *connection) moveLog() {
	frames, err := c.store.logFrames()
	if err != nil {
		c.moveFailed(err)
		return
	}
	if frames < c.frames { // it began anew
		c.next = c.from
	}
	if c.frames = frames; frames < c.next {
		return
	}
	// Until the next try, if readers are in the way of a part.
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

// shorten moves all of the log and makes it begin anew, with a file of no
// length. It waits for readers of older pages, but not for long.
func (c *connection) shorten() error {
	if err := c.waitForLocks(shortenWait); err != nil {
		return err
	}
	_, err := c.checkpoint(checkpointShorten)
	return errors.Join(err, c.waitForLocks(writerBusyTimeout))
}

// waitForLocks sets how long SQLite waits for the locks of others. The pragma
// does its work when it is compiled, so no prepared statement is of use.
func (c *connection) waitForLocks(d time.Duration) error {
	_, err := c.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()))
	return err
}

// moveFailed stops all writes until the log has been moved. What was
// acknowledged is safe in the log. All of it is to be moved: the database may lack
// pages that SQLite takes for moved, since those of which only a part of the log
// was moved were not synced.
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
	c.forgotten = c.forgetMoved() == nil // or the next try says why not
	c.againAt = time.Now().Add(c.pause)
}

// moved is nil if no move has failed, or if the log could be moved now.
func (c *connection) moved() error {
	if c.failed == nil {
		return nil
	}
	if time.Now().Before(c.againAt) {
		return c.failed
	}
	var state logState
	var err error
	if !c.forgotten {
		err = c.forgetMoved()
	}
	if err == nil {
		state, err = c.checkpoint(checkpointPassive)
	}
	if err == nil && state.frames < 0 { // another process was in the way, and nothing happened
		err = fmt.Errorf("%w: another process is moving it", jobs.ErrUnavailable)
	}
	if err != nil {
		c.moveFailed(err)
		return c.failed
	}
	c.moves.Add(1)
	c.mover = mover{from: c.from, frames: state.frames, next: max(c.from, state.frames+c.from/8)}
	c.store.log.Info("moved the write-ahead log into the database: writes and webhooks are taken again", "database", c.store.path)
	return nil
}

// moveRest moves the log at the end, when nothing waits any more. SQLite would
// do it when the last connection closes, and not tell how it went. Others who
// have the database open move it themselves.
func (c *connection) moveRest() error {
	if c.conn == nil || c.suspect != nil || c.usable() != nil {
		return nil
	}
	if c.failed == nil && c.store.shared() {
		return nil
	}
	c.againAt = time.Time{}
	err := c.moved()
	if err == nil {
		_, err = c.checkpoint(checkpointPassive)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, c.forgetMoved())
}

// shared reports whether another store has the database open, here or in another
// process.
func (s *Store) shared() bool {
	if s.file.shared() {
		return true
	}
	used, err := inUse(s.index)
	return used && err == nil
}

// moveAbandoned moves all of the log that a crash left, and makes it begin anew.
// Its end may be of a commit whose sync failed: it looks valid and may not be on
// the disk, and what is appended behind it would be lost with it.
func (s *Store) moveAbandoned(ctx context.Context, conn *sql.Conn) error {
	if !s.abandoned {
		return nil
	}
	for deadline := time.Now().Add(s.busy); ; {
		var state logState
		if err := conn.QueryRowContext(ctx, checkpointShorten).Scan(&state.busy, &state.frames, &state.moved); err != nil {
			return fmt.Errorf("move the write-ahead log of a crash into the database: %w", err)
		}
		if !state.busy || time.Now().After(deadline) {
			return nil // or others came since, and use it already
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}
