package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestWritesBuildNoTable covers statements that write one row and run many times
// a second. SQLite would build a table for an IN list of three or more values, at
// each use.
func TestWritesBuildNoTable(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "checks.db"))
	fill(t, s, "b", 4)
	addCallbacks(t, s, "target", 1)
	runJobs(t, s, "b")
	var used []string
	must(t, s.write(t.Context(), func(tx *tx) error {
		for query := range tx.stmts {
			used = append(used, query)
		}
		return nil
	}))
	checked := 0
	for _, query := range append(used, insertBatch) {
		onlyValues := strings.Contains(query, "VALUES")
		byPlace := strings.HasPrefix(query, "UPDATE jobs") && strings.Contains(query, "WHERE seq = ?") ||
			strings.HasPrefix(query, "UPDATE callbacks") || strings.HasPrefix(query, "UPDATE batches") && strings.HasSuffix(query, "WHERE seq = ?")
		if !onlyValues && !byPlace || strings.Contains(query, "RETURNING") {
			continue
		}
		checked++
		for _, op := range program(t, s, query) {
			if op == "OpenEphemeral" {
				t.Errorf("builds a table: %s", query)
			}
		}
	}
	if checked < 12 {
		t.Errorf("only %d statements were checked", checked)
	}
}

// TestStatesAreChecked checks that the schema rejects values that are not states.
func TestStatesAreChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checks.db")
	s := openAt(t, path)
	fill(t, s, "b", 4)
	addCallbacks(t, s, "target", 1)
	runJobs(t, s, "b")
	runDownloads(t, s, "b", noon)
	must(t, s.Close())
	db := raw(t, path)
	execute(t, db, `INSERT INTO contradictions (job_seq, attempt, first_outcome, opened_at) SELECT seq, 1, 'done', 0 FROM jobs`)
	for table, columns := range map[string][]string{
		"batches": {"state"}, "jobs": {"state", "closed_by"}, "contradictions": {"first_outcome", "vendor_says"}, "submissions": {"outcome"},
		"inbox": {"disposition", "outcome"}, "callbacks": {"state"}, "files": {"state"},
	} {
		for _, column := range columns {
			if _, err := db.Exec("UPDATE " + table + " SET " + column + " = 'nonsense'"); err == nil || !strings.Contains(err.Error(), "CHECK constraint failed") {
				t.Errorf("%s of %s accepts any value: %v", column, table, err)
			}
		}
	}
	if _, err := db.Exec("UPDATE callbacks SET claim = 3"); err == nil {
		t.Error("claim of callbacks accepts any value")
	}
}
