package sqlite

import (
	"context"
	"database/sql/driver"
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

// append appends the deliveries of operations, in their order.
func (t *tx) append(ops []*operation) error {
	return t.direct(func(conn *direct) error {
		for len(ops) > 0 {
			query, n := appendDeliveries, appendRows
			if len(ops) < n {
				query, n = appendDelivery, 1
			}
			if err := conn.append(query, ops[:n]); err != nil {
				return err
			}
			ops = ops[n:]
		}
		return nil
	})
}

// append appends as many deliveries as the statement has rows for. Places follow
// upon another within a transaction.
func (d *direct) append(query string, ops []*operation) error {
	stmt, err := d.prepare(query)
	if err != nil {
		return err
	}
	args := d.args[:0]
	for _, op := range ops {
		del := op.delivery
		body := del.Body
		if body == nil {
			body = []byte{} // nil would be NULL
		}
		for _, value := range [appendArgs]driver.Value{
			del.ReceivedAt.UnixMilli(), del.Event, del.ScreenshotID, string(del.Outcome), del.ImageURL, del.Error, body,
		} {
			args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: value})
		}
	}
	defer clear(args) // what they refer to is let go
	result, err := stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
	if err != nil {
		return err
	}
	last, err := result.LastInsertId()
	for i, op := range ops {
		op.place = last - int64(len(ops)-1-i)
	}
	return err
}
