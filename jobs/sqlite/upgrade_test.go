package sqlite

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"shotline/jobs"
)

// migrateTo creates a file with the schema of an earlier version.
func migrateTo(t *testing.T, path string, version int64) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	folder, err := fs.Sub(migrations, "migrations")
	must(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	must(t, err)
	_, err = provider.UpTo(t.Context(), version)
	must(t, err)
	return db
}

// TestConflictsOfEarlierVersions migrates jobs with contradictory results.
// Earlier versions recorded the vendor's verdict but did not change the job. If
// the verdict differs from the result of the job, the conflict must be due again.
func TestConflictsOfEarlierVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	db := migrateTo(t, path, 6)
	execute(t, db, `INSERT INTO batches (seq, id, state, touched_at, created_at, rows, done, failed, by_webhook, revision, summarized, finished_at)
		VALUES (1, 'b1', 'finished', 0, 0, 5, 2, 3, 5, 1, 1, 9)`)
	for _, j := range []struct {
		row                     int
		state, verdict, checkAt string
		conflicts               int
	}{
		{1, "failed", "done", "NULL", 1},   // settled, but the job has the wrong result
		{2, "failed", "failed", "NULL", 1}, // settled, and the job has the right result
		{3, "done", "", "77", 1},           // not checked yet
		{4, "failed", "", "NULL", 1},       // checked without a verdict
		{5, "done", "", "NULL", 0},
	} {
		_, err := db.Exec(`INSERT INTO jobs (seq, state, attempt, created_at, submitted_at, closed_at, screenshot_id, closed_by, conflicts, url, vendor_says, conflict_check_at)
			VALUES ((1 << 32) + ?1, ?2, 1, 0, 0, 5, 's' || ?1, 'webhook', ?3, 'https://example.com/', ?4, `+j.checkAt+`)`, j.row, j.state, j.conflicts, j.verdict)
		must(t, err)
		_, err = db.Exec(`INSERT INTO submissions (job_seq, attempt, screenshot_id, intent_at, sends, outcome, outcome_by)
			VALUES ((1 << 32) + ?1, 1, 's' || ?1, 0, 1, ?2, 'webhook')`, j.row, j.state)
		must(t, err)
	}
	must(t, db.Close())

	s := openAt(t, path)
	conflicts, err := s.ClaimConflicts(t.Context(), "", noon, noon, 10)
	must(t, err)
	var due []int64
	for _, c := range conflicts {
		due = append(due, c.Job.Row)
	}
	if diff := cmp.Diff([]int64{1, 3}, due); diff != "" {
		t.Errorf("conflicts that are due (-want +got):\n%s", diff)
	}
	id := jobs.ID{Batch: "b1", Row: 1}
	must(t, s.RecheckConflicts(t.Context(), []jobs.ConflictRecheck{{Job: id, Attempt: 1, Says: jobs.OutcomeProcessing, Next: noon}}))
	effects, err := s.Observe(t.Context(), []jobs.Observation{{Job: id, Attempt: 1, ScreenshotID: "s1", Outcome: jobs.OutcomeDone}}, jobs.ByPoll, noon, noon)
	must(t, err)
	if len(effects.Closed) != 1 || !effects.Closed[0].Corrected || len(effects.Revised) != 1 {
		t.Errorf("effects of the verdict: %+v", effects)
	}
	for row, want := range map[int64][2]jobs.Outcome{
		1: {jobs.OutcomeFailed, jobs.OutcomeDone}, 2: {jobs.OutcomeFailed, jobs.OutcomeFailed}, 3: {jobs.OutcomeDone, ""}, 4: {}, 5: {},
	} {
		j, err := s.Job(t.Context(), jobs.ID{Batch: "b1", Row: row})
		must(t, err)
		if got := [2]jobs.Outcome{j.FirstResult, j.VendorSays}; got != want {
			t.Errorf("row %d: first result and verdict: %q, want %q", row, got, want)
		}
	}
	repair, err := s.Recount(t.Context(), "b1", noon)
	must(t, err)
	if len(repair.Wrong) > 0 {
		t.Errorf("wrong counters: %v", repair.Wrong)
	}
}
