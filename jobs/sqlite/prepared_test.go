package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// TestStatementsArePreparedOnce counts how often SQLite compiles a statement; see
// tx.
func TestStatementsArePreparedOnce(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "prepared.db"))
	ctx := t.Context()
	compiled := map[string]int{}
	must(t, s.write(ctx, func(tx *tx) error {
		return tx.conn.Raw(func(conn any) error {
			conn.(*sqlite3.SQLiteConn).RegisterAuthorizer(func(op int, table, column, _ string) int {
				compiled[fmt.Sprintf("operation %d on %s %s", op, table, column)]++
				return sqlite3.SQLITE_OK
			})
			return nil
		})
	}))
	const runs = 3 // the first run prepares all statements
	fill(t, s, "b", 3*runs+1)
	addCallbacks(t, s, "target", 2*runs)
	for nth := range runs {
		clear(compiled)
		runJobs(t, s, "b")
		if nth > 0 && len(compiled) > 0 {
			t.Errorf("run %d compiled statements again: %v", nth+1, compiled)
		}
	}
}
