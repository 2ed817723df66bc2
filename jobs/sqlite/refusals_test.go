package sqlite

import (
	"path/filepath"
	"testing"

	"shotline/jobs"
)

func TestRefusalsAreBounded(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "refusals.db"))
	for range 5 {
		must(t, s.AddRefusals(t.Context(), make([]jobs.Refusal, jobs.MaxRefusals/2)))
	}
	var rows int
	must(t, s.readDB.QueryRowContext(t.Context(), `SELECT count(*) FROM refusals`).Scan(&rows))
	if rows != jobs.MaxRefusals {
		t.Errorf("the table has %d rows, want %d", rows, jobs.MaxRefusals)
	}
}
