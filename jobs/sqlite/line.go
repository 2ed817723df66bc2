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

// line is the writer's connection with what keeps it in good order. It belongs
// to the writer's goroutine, but for the counter.
type line struct {
	store *Store
	conn  *sql.Conn // nil when the last renewal failed
	tx    *tx

	suspect error     // why the connection may be in a bad state; nil when it is not
	renewAt time.Time // no renewal before

	renewals atomic.Int64
}

func newLine(conn *sql.Conn, s *Store) *line {
	l := &line{store: s}
	l.use(conn)
	return l
}

func (l *line) use(conn *sql.Conn) {
	l.conn = conn
	l.tx = &tx{conn: conn, stmts: make(map[string]*sql.Stmt)}
}

// ready is asked before each transaction: may anything be written, and is the
// connection one that can?
func (l *line) ready() error {
	if err := l.store.damage.refusal(); err != nil {
		return err
	}
	if err := l.store.files.unchanged(); err != nil {
		return err
	}
	if l.suspect == nil {
		return nil
	}
	if time.Now().Before(l.renewAt) {
		return l.suspect
	}
	return l.renew()
}

// trouble looks at an error of a transaction that has been rolled back, as far
// as it could be. After an I/O error SQLite promises little about a
// connection; one that is still inside a transaction is of no use either.
func (l *line) trouble(err error) error {
	if err == nil {
		return nil
	}
	err = l.store.damage.notice(err)
	if shaken(err) || l.stuck() {
		l.suspect = fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
		l.renewAt = time.Now().Add(renewEvery)
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
	case sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrProtocol, sqlite3.ErrNomem, sqlite3.ErrPerm:
		return true
	}
	return false
}

// stuck reports a connection that could not leave its transaction.
func (l *line) stuck() bool {
	stuck := false
	err := l.conn.Raw(func(c any) error {
		stuck = !c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return stuck || err != nil
}

// renew closes the connection and opens another one, as at the beginning.
func (l *line) renew() error {
	// What closing has to say was said before.
	_ = l.close()
	conn, err := l.store.connectWriter(context.Background())
	if err != nil {
		l.suspect = fmt.Errorf("%w: open the database anew: %w", jobs.ErrUnavailable, l.store.damage.notice(err))
		l.renewAt = time.Now().Add(renewEvery)
		return l.suspect
	}
	l.use(conn)
	l.suspect = nil
	l.renewals.Add(1)
	return nil
}

func (l *line) close() error {
	if l.conn == nil {
		return nil
	}
	err := errors.Join(l.tx.close(), l.conn.Close())
	l.conn = nil
	return err
}
