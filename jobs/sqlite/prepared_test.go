package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
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
	for life := range lives {
		clear(compiled)
		leases, err := s.Lease(ctx, "b", "owner", 3, noon, noon.Add(time.Minute))
		must(t, err)
		for i, lease := range leases {
			if leases[i], err = s.OpenIntent(ctx, lease, noon, noon.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		cost := 1.0
		observe := func(i int, outcome jobs.Outcome, by jobs.Provenance) {
			_, err := s.Observe(ctx, []jobs.Observation{{
				Job: leases[i].Job.ID, Attempt: leases[i].Attempt, ScreenshotID: leases[i].Job.ID.String(), Outcome: outcome,
				ImageURL: "https://cdn.example.com/1.png", Cost: &cost,
			}}, by, noon, noon.Add(time.Hour))
			must(t, err)
		}
		observe(0, jobs.OutcomeProcessing, jobs.ByCreate)
		observe(1, jobs.OutcomeDone, jobs.ByCreate)
		observe(2, jobs.OutcomeProcessing, jobs.ByCreate)
		observe(2, jobs.OutcomeDone, jobs.ByPoll)
		_, err = s.AppendDelivery(ctx, delivery(leases[0].Job.ID.String(), jobs.OutcomeDone))
		must(t, err)
		applied, err := s.ApplyInbox(ctx, noon, 100)
		must(t, err)
		if len(applied.Closed) != 1 {
			t.Fatalf("closed %d jobs by webhook", len(applied.Closed))
		}
		claimed, err := s.ClaimCallbacks(ctx, noon, noon.Add(time.Hour), 4, 1)
		must(t, err)
		begun, err := s.BeginCallback(ctx, claimed[0].Seq, claimed[0].Generation, noon, noon.Add(time.Hour))
		must(t, err)
		must(t, s.SettleCallback(ctx, begun, jobs.CallbackEnd{State: jobs.CallbackDelivered}, noon, noon))
		if life > 0 && len(compiled) > 0 {
			t.Errorf("life %d: statements were compiled again: %v", life+1, compiled)
		}
	}
}
