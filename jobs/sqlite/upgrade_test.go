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

// migrateTo makes a file as a version of this program left it.
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

// Versions that kept the vendor's word beside the first result left contradicted
// jobs as they were: the vendor is asked again where the two differ.
func TestConflictsOfEarlierVersionsAreAskedAbout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	db := migrateTo(t, path, 6)
	execute(t, db, `INSERT INTO batches (seq, id, state, touched_at, created_at, rows, done, failed, by_webhook, revision, summarized, finished_at)
		VALUES (1, 'b1', 'finished', 0, 0, 5, 2, 3, 5, 1, 1, 9)`)
	for _, j := range []struct {
		row               int
		state, says, when string
		conflicts         int
	}{
		{1, "failed", "done", "NULL", 1},   // settled, and the false one stands
		{2, "failed", "failed", "NULL", 1}, // settled, and the true one stands
		{3, "done", "", "77", 1},           // not asked yet
		{4, "failed", "", "NULL", 1},       // nobody could tell
		{5, "done", "", "NULL", 0},
	} {
		_, err := db.Exec(`INSERT INTO jobs (seq, state, attempt, created_at, submitted_at, closed_at, screenshot_id, closed_by, conflicts, url, vendor_says, conflict_check_at)
			VALUES ((1 << 32) + ?1, ?2, 1, 0, 0, 5, 's' || ?1, 'webhook', ?3, 'https://example.com/', ?4, `+j.when+`)`, j.row, j.state, j.conflicts, j.says)
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
		t.Errorf("effects of the vendor's word: %+v", effects)
	}
	for row, want := range map[int64][2]jobs.Outcome{
		1: {jobs.OutcomeFailed, jobs.OutcomeDone}, 2: {jobs.OutcomeFailed, jobs.OutcomeFailed}, 3: {jobs.OutcomeDone, ""}, 4: {}, 5: {},
	} {
		j, err := s.Job(t.Context(), jobs.ID{Batch: "b1", Row: row})
		must(t, err)
		if got := [2]jobs.Outcome{j.FirstResult, j.VendorSays}; got != want {
			t.Errorf("row %d: recorded first and said by the vendor: %q, want %q", row, got, want)
		}
	}
	repair, err := s.Recount(t.Context(), "b1", noon)
	must(t, err)
	if len(repair.Wrong) > 0 {
		t.Errorf("a recount finds %v", repair.Wrong)
	}
}
