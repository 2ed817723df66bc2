package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// secondAttempt gives the first row of a batch a pending attempt 2 in addition to
// its older attempt 1, as a retry does.
func secondAttempt(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.write(t.Context(), func(tx *tx) error {
		for _, query := range []string{
			`UPDATE jobs SET attempt = 2, screenshot_id = 'second' WHERE row = 1`,
			`INSERT INTO submissions (job_seq, attempt, extra, screenshot_id) SELECT seq, 2, 0, 'second' FROM jobs WHERE row = 1`,
			`UPDATE submissions SET screenshot_id = 'first' WHERE attempt = 1`,
		} {
			if _, err := tx.exec(query); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestOlderAttempt checks results of an older attempt. A failure never fails the
// newer attempt. An image closes the job if the newest attempt brings none, since
// it was paid for.
func TestOlderAttempt(t *testing.T) {
	t.Parallel()
	job := jobs.ID{Batch: "b1", Row: 1}
	deliver := func(screenshot string, outcome jobs.Outcome) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			t.Helper()
			_, err := s.AppendDelivery(t.Context(), delivery(screenshot, outcome))
			must(t, err)
		}
	}
	timeOut := func(t *testing.T, s *Store) {
		t.Helper()
		_, err := s.CloseJobs(t.Context(), []jobs.Closing{{
			Job: job, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline, Error: "timed out",
		}}, noon.Add(time.Hour))
		must(t, err)
	}
	apply := func(t *testing.T, s *Store) {
		t.Helper()
		_, err := s.ApplyInbox(t.Context(), noon.Add(time.Minute), 100)
		must(t, err)
	}
	type end struct {
		State      jobs.State
		Screenshot string
		By         jobs.Provenance
		Late       bool
		Events     []jobs.EventType
	}
	late := end{jobs.Done, "first", jobs.ByWebhook, true, []jobs.EventType{jobs.EventJobLate, jobs.EventBatchFinished}}
	revised := func(first jobs.EventType) end {
		return end{jobs.Done, "first", jobs.ByWebhook, true,
			[]jobs.EventType{first, jobs.EventBatchFinished, jobs.EventJobLate, jobs.EventBatchRevised}}
	}
	for _, tt := range []struct {
		name  string
		steps []func(*testing.T, *Store)
		want  end
	}{
		{"failed does not affect the newer attempt", []func(*testing.T, *Store){deliver("first", jobs.OutcomeFailed), apply},
			end{State: jobs.Pending, Screenshot: "second"}},
		{"done waits for the newer attempt", []func(*testing.T, *Store){deliver("first", jobs.OutcomeDone), apply},
			end{State: jobs.Pending, Screenshot: "second"}},
		{"done, then the newer attempt is done", []func(*testing.T, *Store){
			deliver("first", jobs.OutcomeDone), apply, deliver("second", jobs.OutcomeDone), apply},
			end{jobs.Done, "second", jobs.ByWebhook, false, []jobs.EventType{jobs.EventJobDone, jobs.EventBatchFinished}}},
		{"done, then the newer attempt fails", []func(*testing.T, *Store){
			deliver("first", jobs.OutcomeDone), apply, deliver("second", jobs.OutcomeFailed), apply}, late},
		{"both in one transaction", []func(*testing.T, *Store){
			deliver("second", jobs.OutcomeFailed), deliver("first", jobs.OutcomeDone), apply}, late},
		{"done, then a timeout", []func(*testing.T, *Store){deliver("first", jobs.OutcomeDone), apply, timeOut}, late},
		{"done still in the inbox at the timeout", []func(*testing.T, *Store){deliver("first", jobs.OutcomeDone), timeOut}, late},
		{"the newer attempt failed, then done", []func(*testing.T, *Store){
			deliver("second", jobs.OutcomeFailed), apply, deliver("first", jobs.OutcomeDone), apply},
			revised(jobs.EventJobFailed)},
		{"timeout, then done", []func(*testing.T, *Store){timeOut, deliver("first", jobs.OutcomeDone), apply},
			revised(jobs.EventJobTimedOut)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
			fill(t, s, "b1", 1)
			submit(t, s, "b1", 1)
			secondAttempt(t, s)
			for range 2 { // repeating the steps must not change anything
				for _, step := range tt.steps {
					step(t, s)
				}
				got, err := s.Job(t.Context(), job)
				must(t, err)
				log, _, err := s.Events(t.Context(), jobs.EventFilter{})
				must(t, err)
				actual := end{State: got.State, Screenshot: got.ScreenshotID, By: got.ClosedBy, Late: got.Late}
				for _, e := range log {
					actual.Events = append(actual.Events, e.Type)
				}
				if diff := cmp.Diff(tt.want, actual); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
			counted, err := s.Batch(t.Context(), "b1")
			must(t, err)
			tally, err := s.Tally(t.Context(), "b1")
			must(t, err)
			if diff := cmp.Diff(tally, counted.Counts); diff != "" {
				t.Errorf("counters differ from the rows (-rows +counters)\n%s", diff)
			}
		})
	}
}

// TestStatesInPlainSQL runs a query as a user might type it into the sqlite3
// shell.
func TestStatesInPlainSQL(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path)
	fill(t, s, "b1", 5)
	submit(t, s, "b1", 3)
	deliverAll(t, s, "b1", 2)
	if _, err := s.ApplyInbox(t.Context(), noon.Add(time.Minute), 10); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	rows, err := raw(t, path).Query(`SELECT jobs.state, count(*) FROM jobs JOIN batches ON batches.seq = batch_seq
		WHERE batches.id = 'b1' AND row BETWEEN 1 AND 5 GROUP BY jobs.state`)
	must(t, eachRow(rows, err, func(row scanner) error {
		var state string
		var n int
		err := row.Scan(&state, &n)
		got[state] = n
		return err
	}))
	if diff := cmp.Diff(map[string]int{"done": 2, "pending": 1, "queued": 2}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
