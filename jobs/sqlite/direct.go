package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// direct is the writer's connection without database/sql, for statements and rows
// that come by the thousand. For these, the overhead of database/sql is as large
// as the work itself. Only the writer's goroutine uses it.
type direct struct {
	conn  driver.Conn
	stmts map[string]driver.Stmt
	args  [appendRows * appendArgs]driver.NamedValue
}

// direct calls use with the connection. The function must not keep it.
func (t *tx) direct(use func(*direct) error) error {
	return t.conn.Raw(func(conn any) error {
		if t.past == nil {
			t.past = &direct{conn: conn.(driver.Conn), stmts: make(map[string]driver.Stmt)}
		}
		return use(t.past)
	})
}

func (d *direct) prepare(query string) (driver.Stmt, error) {
	if stmt, ok := d.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := d.conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	d.stmts[query] = stmt
	return stmt, nil
}

func (d *direct) close() error {
	var errs []error
	for _, stmt := range d.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// eachRow calls visit with the values of every row of a query without arguments.
// SQLite returns them as int64 and string.
func (t *tx) eachRow(visit func([]driver.Value), query string) error {
	return t.direct(func(d *direct) (err error) {
		stmt, err := d.prepare(query)
		if err != nil {
			return err
		}
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(context.Background(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		values := make([]driver.Value, len(rows.Columns()))
		for {
			switch err := rows.Next(values); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			visit(values)
		}
	})
}
