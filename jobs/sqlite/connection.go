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

// renewEvery is how often a connection is opened anew while trouble lasts. In
// between, writes fail at once with what the last try said.
const renewEvery = 50 * time.Millisecond

// connection is the writer's, with what keeps it in good order. It belongs to
// the writer's goroutine, but for the counter.
type connection struct {
	store *Store
	conn  *sql.Conn // nil when the last renewal failed
	tx    *tx

	suspect error     // why the connection may be in a bad state; nil when it is not
	renewAt time.Time // no renewal before

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

// ready is asked before each transaction: may anything be written, is the
// connection one that can, and is the database file in order behind the log?
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

// usable is nil while the files are those that were opened, and not known or
// suspected to be damaged.
func (c *connection) usable() error {
	if err := c.store.damage.refusal(); err != nil {
		return err
	}
	return c.store.files.unchanged()
}

// begin takes the write lock, which another process may hold for a while.
func (c *connection) begin() error {
	for deadline := time.Now().Add(c.store.busy); ; {
		err := c.tx.control("BEGIN IMMEDIATE")
		if failure := (sqlite3.Error{}); !errors.As(err, &failure) || failure.Code != sqlite3.ErrBusy || time.Now().After(deadline) {
			return err
		}
	}
}

// trouble looks at an error of a transaction that has been rolled back, as far
// as it could be. After an I/O error SQLite promises little about a
// connection; one that is still inside a transaction is of no use either.
func (c *connection) trouble(err error) error {
	if err == nil {
		return nil
	}
	err = c.store.damage.notice(err)
	if shaken(err) || c.stuck() {
		c.suspect = fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
		c.renewAt = time.Now().Add(renewEvery)
	}
	return err
}

// shaken reports errors after which a connection is not trusted any more.
func shaken(err error) bool {
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

// stuck reports a connection that could not leave its transaction.
func (c *connection) stuck() bool {
	stuck := false
	err := c.conn.Raw(func(driver any) error {
		stuck = !driver.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return stuck || err != nil
}

// renew closes the connection and opens another one, as at the beginning.
func (c *connection) renew() error {
	// What closing has to say was said before.
	_ = c.close()
	conn, err := c.store.connectWriter(context.Background())
	if err != nil {
		c.suspect = fmt.Errorf("%w: open the database anew: %w", jobs.ErrUnavailable, c.store.damage.notice(err))
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
