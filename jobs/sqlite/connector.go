package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// connector opens connections without automatic checkpoints. SQLite would move
// the log into the database after some of the commits and ignore a failure; see
// checkpoint.go.
type connector struct{ dsn string }

// openDB returns a handle of the database at path. It does not open a connection.
func openDB(path string, params ...string) *sql.DB {
	return sql.OpenDB(connector{dsn(path, params...)})
}

// Driver implements driver.Connector. It returns the driver that sql.Open names
// "sqlite3".
func (connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	d := sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec("PRAGMA wal_autocheckpoint = 0", nil)
		return err
	}}
	return d.Open(c.dsn)
}

// dsn returns the SQLite URI of a path. It escapes the path, so that no part of
// it is treated as a parameter.
func dsn(path string, params ...string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + escaped + "?" + strings.Join(params, "&")
}
