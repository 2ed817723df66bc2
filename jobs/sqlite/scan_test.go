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

// recordingConnector connects readers and records their queries.
type recordingConnector struct {
	dsn     string
	mu      sync.Mutex
	queries map[string]bool
}

func (r *recordingConnector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (r *recordingConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.Driver().Open(r.dsn)
	if err != nil {
		return nil, err
	}
	return recordingConn{conn.(*sqlite3.SQLiteConn), r}, nil
}

type recordingConn struct {
	*sqlite3.SQLiteConn
	by *recordingConnector
}

func (c recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.by.mu.Lock()
	c.by.queries[query] = true
	c.by.mu.Unlock()
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

// TestNoStatementScansAGrowingTable calls all methods of a store and checks the
// plans of all statements that it used.
func TestNoStatementScansAGrowingTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scan.db")
	s := openAt(t, path)
	readers := &recordingConnector{dsn: dsn(path, "mode=ro", "_query_only=on"), queries: map[string]bool{}}
	must(t, s.readDB.Close())
	s.readDB.DB = sql.OpenDB(readers)

	fill(t, s, "b", 12)
	addCallbacks(t, s, "target", 2)
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "removed"}, noon))
	must(t, s.AppendRequests(t.Context(), "removed", requests(0, 2), noon))
	must(t, s.RemoveImport(t.Context(), "removed"))
	_, err := s.AddJob(t.Context(), jobs.BatchSpec{ID: "single", Key: jobs.Key{Name: "k"}}, requests(0, 1)[0], noon)
	must(t, err)
	runJobs(t, s, "b")
	callReaders(t, s, "b")
	runRareSteps(t, s, "b")

	used := maps.Clone(readers.queries)
	must(t, s.write(t.Context(), func(tx *tx) error {
		for query := range tx.stmts {
			used[query] = true
		}
		return nil
	}))
	delete(used, sumBatches) // its cost grows with the number of batches
	for query := range used {
		if word, _, _ := strings.Cut(strings.TrimSpace(query), " "); !strings.Contains("SELECT INSERT UPDATE DELETE WITH", word) {
			continue // has no plan
		}
		got := plan(t, s, query)
		before := t.Failed()
		wantNoScan(t, got, "batches", "jobs", "submissions", "inbox", "events", "callbacks", "summaries", "idempotency_keys", "files", "b", "j", "s", "x", "i", "e", "u")
		if t.Failed() && !before {
			t.Logf("query: %s", query)
		}
	}
	if len(used) < 150 {
		t.Errorf("only %d statements were used", len(used))
	}
}
