package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

// renewEvery is how often the connection is reopened while an error persists. In
// between, writes fail at once with the error of the last attempt.
const renewEvery = 50 * time.Millisecond

// connection is the writer's connection and the state of its repair. Only the
// writer's goroutine uses it, except for the counters.
type connection struct {
	store *Store
	conn  *sql.Conn // nil if the last renewal failed
	tx    *tx

	suspect error     // why the connection might be in a bad state; nil if it is not
	renewAt time.Time // no renewal before this time

	mover

	renewals, moves, moveFailures atomic.Int64
}

func newConnection(conn *sql.Conn, s *Store) *connection {
	c := &connection{store: s, mover: mover{from: s.moveFrom, next: s.moveFrom}}
	c.use(conn)
	return c
}

func (c *connection) use(conn *sql.Conn) {
	c.conn = conn
	c.tx = &tx{conn: conn, stmts: make(map[string]*sql.Stmt), maxHeld: c.store.maxHeld}
}

// ready is called before each transaction. It returns nil if the database can be
// written. If the connection is suspect, it is renewed first. If the log could
// not be moved before, it is moved first.
func (c *connection) ready() error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.suspect != nil {
		if time.Now().Before(c.renewAt) {
			return c.suspect
		}
		if err := c.renew(); err != nil {
			return err
		}
	}
	return c.moved()
}

// usable returns nil if the files are still those that were opened, and if they
// are neither known nor suspected to be damaged.
func (c *connection) usable() error {
	if err := c.store.damage.refusal(); err != nil {
		return err
	}
	return c.store.files.unchanged()
}

// begin takes the write lock. If another process holds it, begin tries again
// until the busy timeout ends.
func (c *connection) begin() error {
	for deadline := time.Now().Add(c.store.busy); ; {
		err := c.tx.control("BEGIN IMMEDIATE")
		if failure := (sqlite3.Error{}); !errors.As(err, &failure) || failure.Code != sqlite3.ErrBusy || time.Now().After(deadline) {
			return err
		}
	}
}

// trouble handles an error of a transaction after it was rolled back, if that was
// possible. It marks the connection as suspect if err is an I/O error, because
// SQLite guarantees little about a connection after one, and if the connection is
// still in the transaction. It returns err, or the error that notice returns for
// it.
func (c *connection) trouble(err error) error {
	if err == nil {
		return nil
	}
	err = c.store.damage.notice(err)
	if breaksConnection(err) || c.inTransaction() {
		c.suspect = fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
		c.renewAt = time.Now().Add(renewEvery)
	}
	return err
}

// breaksConnection reports whether a connection cannot be trusted any more after
// err.
func breaksConnection(err error) bool {
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code {
	case sqlite3.ErrIoErr, sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrProtocol, sqlite3.ErrNomem, sqlite3.ErrPerm:
		return true
	}
	return false
}

// inTransaction reports whether the connection is still in a transaction. It also
// returns true if this cannot be determined.
func (c *connection) inTransaction() bool {
	inside := false
	err := c.conn.Raw(func(driver any) error {
		inside = !driver.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return inside || err != nil
}

// renew closes the connection and opens another one in the same way.
func (c *connection) renew() error {
	// An error of closing was reported before.
	_ = c.close()
	conn, err := c.store.connectWriter(context.Background())
	if err != nil {
		c.suspect = fmt.Errorf("%w: reopen the database: %w", jobs.ErrUnavailable, c.store.damage.notice(err))
		c.renewAt = time.Now().Add(renewEvery)
		return c.suspect
	}
	c.use(conn)
	c.suspect = nil
	c.renewals.Add(1)
	return nil
}

func (c *connection) close() error {
	if c.conn == nil {
		return nil
	}
	err := errors.Join(c.tx.close(), c.conn.Close())
	c.conn = nil
	return err
}
