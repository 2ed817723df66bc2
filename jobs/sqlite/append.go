package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"shotline/jobs"
)

// appendRows is how many deliveries one statement appends when enough wait.
const appendRows = 16

const (
	appendColumns = `INSERT INTO inbox (received_at, disposition, event, screenshot_id, outcome, image_url, error, body) VALUES `
	appendValues  = `(?, '', ?, ?, ?, ?, ?, ?)`
	appendArgs    = 7
)

var (
	appendDelivery   = appendColumns + appendValues
	appendDeliveries = appendColumns + strings.Repeat(appendValues+", ", appendRows-1) + appendValues
)

// AppendDelivery implements jobs.Inbox. What becomes of the delivery is the
// closer's to say.
func (s *Store) AppendDelivery(ctx context.Context, d jobs.Delivery) (int64, error) {
	switch d.Outcome {
	case jobs.OutcomeDone, jobs.OutcomeFailed, jobs.OutcomeNone, jobs.OutcomeProcessing:
	default:
		return 0, fmt.Errorf("append delivery: %w: outcome %q", jobs.ErrInvalid, d.Outcome)
	}
	op := newOperation(nil)
	op.delivery = &d
	if err := s.writer.do(ctx, op); err != nil {
		return 0, wrapError(err, "append delivery")
	}
	return op.place, nil
}

// appender appends deliveries past database/sql, whose care for each statement
// costs as much as the statement. It belongs to one connection, and to the
// writer's goroutine.
type appender struct {
	one, many driver.StmtExecContext
	args      [appendRows * appendArgs]driver.NamedValue
}

func (a *appender) prepare(conn driver.Conn) (err error) {
	prepare := func(query string) driver.StmtExecContext {
		stmt, failed := conn.Prepare(query)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("prepare: %w", failed))
			return nil
		}
		return stmt.(driver.StmtExecContext)
	}
	a.one, a.many = prepare(appendDelivery), prepare(appendDeliveries)
	return err
}

func (a *appender) close() error {
	var errs []error
	for _, stmt := range []driver.StmtExecContext{a.one, a.many} {
		if stmt != nil {
			errs = append(errs, stmt.(driver.Stmt).Close())
		}
	}
	return errors.Join(errs...)
}

// append appends the deliveries of operations, in their order.
func (t *tx) append(ops []*operation) error {
	return t.conn.Raw(func(conn any) error {
		if t.appender == nil {
			t.appender = &appender{}
			if err := t.appender.prepare(conn.(driver.Conn)); err != nil {
				return err
			}
		}
		for len(ops) > 0 {
			stmt, n := t.appender.many, appendRows
			if len(ops) < n {
				stmt, n = t.appender.one, 1
			}
			if err := t.appender.run(stmt, ops[:n]); err != nil {
				return err
			}
			ops = ops[n:]
		}
		return nil
	})
}

// run appends as many deliveries as the statement has rows for. Places follow
// upon another within a transaction.
func (a *appender) run(stmt driver.StmtExecContext, ops []*operation) error {
	args := a.args[:0]
	for _, op := range ops {
		d := op.delivery
		body := d.Body
		if body == nil {
			body = []byte{} // nil would be NULL
		}
		for _, value := range [appendArgs]driver.Value{
			d.ReceivedAt.UnixMilli(), d.Event, d.ScreenshotID, string(d.Outcome), d.ImageURL, d.Error, body,
		} {
			args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: value})
		}
	}
	defer clear(args) // what they refer to is let go
	result, err := stmt.ExecContext(context.Background(), args)
	if err != nil {
		return err
	}
	last, err := result.LastInsertId()
	for i, op := range ops {
		op.place = last - int64(len(ops)-1-i)
	}
	return err
}
