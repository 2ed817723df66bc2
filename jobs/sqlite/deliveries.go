package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shotline/jobs"
)

// appendRows is the number of deliveries that one statement appends if enough of
// them wait.
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

// AppendDelivery implements jobs.Inbox. ApplyInbox applies the delivery later.
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

// append appends the deliveries of operations in their order.
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

// append appends as many deliveries as the statement has rows. Their places are
// consecutive, because they are in one transaction.
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
	defer clear(args) // release the bodies
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

const selectDeliveries = `SELECT seq, received_at, event, screenshot_id, outcome, image_url, error, body, disposition, aside_error
	FROM inbox WHERE `

func scanDelivery(row scanner) (d jobs.KeptDelivery, err error) {
	var received sql.NullInt64
	err = row.Scan(&d.Seq, &received, &d.Event, &d.ScreenshotID, &d.Outcome, &d.ImageURL, &d.Error, &d.Body,
		&d.Disposition, &d.AsideError)
	d.ReceivedAt = fromMillis(received)
	return d, err
}

// Delivery implements jobs.Reader.
func (s *Store) Delivery(ctx context.Context, seq int64) (jobs.KeptDelivery, error) {
	d, err := scanDelivery(s.readDB.QueryRowContext(ctx, selectDeliveries+`seq = ?`, seq))
	if errors.Is(err, sql.ErrNoRows) {
		err = jobs.ErrNotFound
	}
	return d, wrapError(err, "read delivery %d", seq)
}

// unapplied uses the index inbox_unapplied. ?1 is one disposition.
const unapplied = `SELECT seq, received_at, event, screenshot_id, outcome, image_url, error, NULL, disposition, aside_error
	FROM inbox WHERE disposition = ?1 AND disposition <> '' AND seq < ?2 ORDER BY seq DESC LIMIT ?3`

// Unapplied implements jobs.Reader. It merges the newest deliveries of each
// disposition, because one query for several would sort all of them.
func (s *Store) Unapplied(ctx context.Context, f jobs.DeliveryFilter) (page []jobs.KeptDelivery, err error) {
	limit, before := pageSize(f.Limit, maxPage), f.Before
	if before <= 0 {
		before = maxSeq
	}
	wanted := f.Dispositions
	if len(wanted) == 0 {
		wanted = jobs.Unapplied
	}
	err = s.look(ctx, func(v view) error {
		for i, disposition := range wanted {
			if !slices.Contains(jobs.Unapplied, disposition) {
				return fmt.Errorf("%w: disposition %q", jobs.ErrInvalid, disposition)
			}
			if slices.Contains(wanted[:i], disposition) {
				continue
			}
			err := v.each(func(row scanner) error {
				d, err := scanDelivery(row)
				page = append(page, d)
				return err
			}, unapplied, disposition, before, limit)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapError(err, "list deliveries")
	}
	slices.SortFunc(page, func(a, b jobs.KeptDelivery) int { return cmp.Compare(b.Seq, a.Seq) })
	return page[:min(len(page), limit)], nil
}

// Deliveries implements jobs.Inbox.
func (s *Store) Deliveries(ctx context.Context, after int64, limit int) (page []jobs.KeptDelivery, cursor int64, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT place FROM cursors WHERE name = 'inbox'`).Scan(&cursor)
	if err != nil {
		return nil, 0, wrapError(err, "read inbox")
	}
	err = s.read(ctx, func(row scanner) error {
		d, err := scanDelivery(row)
		page = append(page, d)
		return err
	}, selectDeliveries+`seq > ? ORDER BY seq LIMIT ?`, after, pageSize(limit, maxPage))
	if err != nil {
		return nil, 0, wrapError(err, "read inbox")
	}
	return page, cursor, nil
}
