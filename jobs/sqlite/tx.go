package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shotline/jobs"
)

// tx gives an operation access to the writer's transaction: the connection, on
// which every statement is prepared once. It belongs to the writer's goroutine.
//
// SQLite compiles a statement again at each use if the value of a parameter might
// affect its plan: to the right of an = in a query that needs planning, or in a
// LIMIT. That costs more than running most statements. A unary + before the
// parameter hides its value from the planner, so that the plan remains the one
// that the tests check.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	past  *direct // nil until it is used

	maxHeld int // most held deliveries
}

func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := t.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	t.stmts[query] = stmt
	return stmt, nil
}

// control runs a statement of transaction control.
func (t *tx) control(query string) error {
	_, err := t.result(query)
	return err
}

func (t *tx) result(query string, args ...any) (sql.Result, error) {
	stmt, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

// exec returns the number of rows that the statement changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	result, err := t.result(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// each calls visit for every row.
func (t *tx) each(visit func(scanner) error, query string, args ...any) error {
	stmt, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	return eachRow(rows, err, visit)
}

// get scans the only row of a query. It returns sql.ErrNoRows if there is none.
func (t *tx) get(dest []any, query string, args ...any) error {
	stmt, err := t.prepare(query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(context.Background(), args...).Scan(dest...)
}

func (t *tx) close() error {
	var errs []error
	for _, stmt := range t.stmts {
		errs = append(errs, stmt.Close())
	}
	if t.past != nil {
		errs = append(errs, t.past.close())
	}
	return errors.Join(errs...)
}

// scanner is a row of *sql.Rows or *sql.Row.
type scanner interface{ Scan(dest ...any) error }

func eachRow(rows *sql.Rows, err error, visit func(scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// read calls visit for every row of a query on the read-only connections.
func (s *Store) read(ctx context.Context, visit func(scanner) error, query string, args ...any) error {
	rows, err := s.readDB.QueryContext(ctx, query, args...)
	return s.damage.noticeRead(ctx, ofStatement(eachRow(rows, err, visit), query, args))
}

// batchSeq returns the place and the state of a batch, or jobs.ErrNotFound if
// there is no such batch.
func (t *tx) batchSeq(id string) (seq int64, state jobs.BatchState, err error) {
	err = t.get([]any{&seq, &state}, `SELECT seq, state FROM batches WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		err = jobs.ErrNotFound
	}
	return seq, state, err
}

// workSeq returns the place of a job, as jobSeq does, and whether its batch is
// importing.
func (t *tx) workSeq(id jobs.ID) (seq int64, importing bool, err error) {
	batch, state, err := t.batchSeq(id.Batch)
	if errors.Is(err, jobs.ErrNotFound) || err == nil && (id.Row < 1 || id.Row > maxRow) {
		return 0, false, nil
	}
	return rowSeq(batch, id.Row), state == jobs.BatchImporting, err
}

// jobSeq returns the place of a job, even if the row does not exist. It returns 0
// if the batch does not exist.
func (t *tx) jobSeq(id jobs.ID) (int64, error) {
	seq, _, err := t.workSeq(id)
	return seq, err
}
