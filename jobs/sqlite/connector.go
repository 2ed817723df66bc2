package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// connector opens connections that leave the log alone. SQLite would move it
// into the database after some commit and ignore a failure; see checkpoint.go.
type connector struct{ dsn string }

// openDB returns the database at path. Nothing is opened yet.
func openDB(path string, params ...string) *sql.DB {
	return sql.OpenDB(connector{dsn(path, params...)})
}

// Driver is that of sql.Open's "sqlite3".
func (connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	d := sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec("PRAGMA wal_autocheckpoint = 0", nil)
		return err
	}}
	return d.Open(c.dsn)
}

// dsn writes a SQLite URI, so that no character of the path is taken for a
// parameter.
func dsn(path string, params ...string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + escaped + "?" + strings.Join(params, "&")
}
