package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// TestStatementsOfAJobsLifeArePreparedOnce has SQLite tell whenever it compiles a
// statement, see tx.
func TestStatementsOfAJobsLifeArePreparedOnce(t *testing.T) {
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
	const lives = 3 // in the first all statements are prepared
	fill(t, s, "b", 3*lives+1)
	owe(t, s, "target", 2*lives)
	for nth := range lives {
		clear(compiled)
		life(t, s, "b")
		if nth > 0 && len(compiled) > 0 {
			t.Errorf("life %d: statements were compiled again: %v", nth+1, compiled)
		}
	}
}
