package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

// hearing connects readers, and hears what they ask.
type hearing struct {
	dsn   string
	mu    sync.Mutex
	asked map[string]bool
}

func (h *hearing) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (h *hearing) Connect(context.Context) (driver.Conn, error) {
	conn, err := h.Driver().Open(h.dsn)
	if err != nil {
		return nil, err
	}
	return heard{conn.(*sqlite3.SQLiteConn), h}, nil
}

type heard struct {
	*sqlite3.SQLiteConn
	by *hearing
}

func (c heard) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.by.mu.Lock()
	c.by.asked[query] = true
	c.by.mu.Unlock()
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

// TestNoStatementGoesThroughAGrowingTable has a store do and tell everything that
// it can, and asserts the plans of all statements that it used.
func TestNoStatementGoesThroughAGrowingTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scan.db")
	s := openAt(t, path)
	readers := &hearing{dsn: dsn(path, "mode=ro", "_query_only=on"), asked: map[string]bool{}}
	must(t, s.readDB.Close())
	s.readDB.DB = sql.OpenDB(readers)

	fill(t, s, "b", 12)
	owe(t, s, "target", 2)
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "removed"}, noon))
	must(t, s.AppendRequests(t.Context(), "removed", requests(0, 2), noon))
	must(t, s.RemoveImport(t.Context(), "removed"))
	_, err := s.AddJob(t.Context(), jobs.BatchSpec{ID: "single", Key: jobs.Key{Name: "k"}}, requests(0, 1)[0], noon)
	must(t, err)
	life(t, s, "b")
	ask(t, s, "b")
	rarer(t, s, "b")

	used := maps.Clone(readers.asked)
	must(t, s.write(t.Context(), func(tx *tx) error {
		for query := range tx.stmts {
			used[query] = true
		}
		return nil
	}))
	delete(used, sumBatches) // what it costs grows with the number of batches
	for query := range used {
		if word, _, _ := strings.Cut(strings.TrimSpace(query), " "); !strings.Contains("SELECT INSERT UPDATE DELETE WITH", word) {
			continue // has no plan
		}
		got := plan(t, s, query)
		before := t.Failed()
		wantNoScan(t, got, "batches", "jobs", "submissions", "inbox", "events", "callbacks", "summaries", "idempotency_keys", "b", "j", "s", "x", "i", "e", "u")
		if t.Failed() && !before {
			t.Logf("by %s", query)
		}
	}
	if len(used) < 150 {
		t.Errorf("only %d statements were used", len(used))
	}
}
