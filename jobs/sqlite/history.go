package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"shotline/jobs"
)

// The deliveries and the events of a job have no index, because one would make
// every webhook and every closure more expensive. History searches them from the
// time on at which they can begin. Each limit takes about a tenth of a second.
const (
	historyDeliveries = 100_000
	historyEvents     = 500_000
)

// clockMargin is how far the clocks of processes can differ, for History.
const clockMargin = time.Hour

const (
	keptSubmissions = `SELECT attempt, extra, screenshot_id, intent_at, sends, doubt_since, check_at, lost_at, outcome, outcome_by, cost_micros
	FROM submissions WHERE job_seq = ? ORDER BY attempt, extra`
	keptConflicts = `SELECT c.attempt, c.first_outcome, c.vendor_says, c.opened_at, c.check_at, c.checks, s.screenshot_id, s.outcome
	FROM contradictions c CROSS JOIN submissions s ON s.job_seq = c.job_seq AND s.attempt = c.attempt AND s.extra = 0
	WHERE c.job_seq = ? ORDER BY c.attempt`
	deliveriesOf = `SELECT seq, received_at, event, screenshot_id, outcome, image_url, error, NULL, disposition, aside_error
	FROM inbox WHERE seq >= ? AND seq <= ? AND screenshot_id IN (SELECT value FROM json_each(?)) ORDER BY seq`
	callbacksOf = `SELECT ` + callbackColumns + ` FROM callbacks WHERE event = ? ORDER BY seq`
	keptFiles   = `SELECT ` + fileColumns + ` FROM files WHERE job_seq = ? ORDER BY output, shot`
)

// timedLog is a table whose places grow with time.
type timedLog struct {
	newest string // selects the newest place, or 0
	since  string // selects the place and the time of the first row at a place or after it
}

var (
	inboxLog = timedLog{`SELECT coalesce(max(seq), 0) FROM inbox`, `SELECT seq, received_at FROM inbox WHERE seq >= ? ORDER BY seq LIMIT 1`}
	eventLog = timedLog{newestEvent, `SELECT seq, at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`}
)

// span returns the first place of a log at or after a time, and the last one that
// is at most limit places later. If more places follow, to is the time of the last
// one. Clocks might have been set back, so later rows can be older.
func (v view) span(log timedLog, from time.Time, limit int64) (first, last int64, to time.Time, err error) {
	if err := v.get([]any{&last}, log.newest); err != nil {
		return 0, 0, to, err
	}
	row := func(place int64) (next, at int64, err error) {
		err = v.get([]any{&next, &at}, log.since, place)
		if errors.Is(err, sql.ErrNoRows) {
			return last + 1, math.MaxInt64, nil
		}
		return next, at, err
	}
	for high := last + 1; first < high; { // rows before first are too old, those from high on are not
		middle := first + (high-first)/2
		next, at, err := row(middle)
		switch {
		case err != nil:
			return 0, 0, to, err
		case at < from.UnixMilli():
			first = next + 1
		default:
			high = middle
		}
	}
	if first, _, err = row(first); err != nil || last-first < limit {
		return first, last, to, err
	}
	bound, at, err := row(first + limit)
	if bound < last {
		last, to = bound, time.UnixMilli(at).UTC()
	}
	return first, last, to, err
}

// History implements jobs.Reader.
func (s *Store) History(ctx context.Context, id jobs.ID) (h jobs.History, err error) {
	err = s.look(ctx, func(v view) error {
		batch, err := v.batchPlace(id.Batch)
		if err != nil {
			return err
		}
		r := historyReader{v, rowSeq(batch, id.Row), id, &h}
		for _, read := range []func() error{r.state, r.submissions, r.conflicts, r.deliveries, r.events, r.callbacks, r.files} {
			if err := read(); err != nil {
				return err
			}
		}
		return nil
	})
	return h, wrapError(err, "read the history of job %s", id)
}

// historyReader reads the parts of a history from one view.
type historyReader struct {
	view
	seq int64
	id  jobs.ID
	*jobs.History
}

// state reads the job and its batch.
func (r historyReader) state() error {
	err := jobs.ErrNotFound
	each := r.each(func(row scanner) error {
		r.Job, err = scanJob(row)
		return err
	}, selectJobs+oneJob, r.id.Batch, r.id.Row, r.id.Row, int64(maxRow))
	if err = errors.Join(each, err); err != nil {
		return err
	}
	var lease sql.NullInt64
	if err := r.get([]any{&lease}, `SELECT lease_until FROM jobs WHERE seq = ?`, r.seq); err != nil {
		return err
	}
	r.LeaseUntil = fromMillis(lease)
	_, r.Batch, err = scanBatch(r.tx.QueryRowContext(r.ctx, oneBatch, r.id.Batch))
	return err
}

func (r historyReader) submissions() error {
	return r.each(func(row scanner) error {
		var s jobs.KeptSubmission
		var screenshot, outcome, by sql.NullString
		var intent, doubt, check, lost, cost sql.NullInt64
		err := row.Scan(&s.Attempt, &s.Extra, &screenshot, &intent, &s.Sends, &doubt, &check, &lost, &outcome, &by, &cost)
		s.Job, s.ScreenshotID, s.Outcome, s.By = r.id, screenshot.String, jobs.Outcome(outcome.String), jobs.Provenance(by.String)
		s.IntentAt, s.DoubtSince, s.CheckAt, s.LostAt = fromMillis(intent), fromMillis(doubt), fromMillis(check), fromMillis(lost)
		s.Cost = fromMicros(cost)
		r.Submissions = append(r.Submissions, s)
		return err
	}, keptSubmissions, r.seq)
}

func (r historyReader) conflicts() error {
	return r.each(func(row scanner) error {
		c := jobs.KeptConflict{Conflict: jobs.Conflict{Job: r.id, Timeout: r.Job.Timeout}}
		var since, check sql.NullInt64
		var screenshot, recorded sql.NullString
		err := row.Scan(&c.Attempt, &c.First, &c.Says, &since, &check, &c.Checks, &screenshot, &recorded)
		c.Since, c.CheckAt = fromMillis(since), fromMillis(check)
		c.ScreenshotID, c.Recorded = screenshot.String, jobs.Outcome(recorded.String)
		r.Conflicts = append(r.Conflicts, c)
		return err
	}, keptConflicts, r.seq)
}

// begin returns the time from which on deliveries of the job can have arrived. A
// create that was sent again might have been sent at any time since the job came
// in.
func (r historyReader) begin() time.Time {
	begin := time.Time{}
	for _, s := range r.Submissions {
		if s.Extra > 0 {
			continue
		}
		if s.IntentAt.IsZero() || s.Sends != 1 {
			return r.Job.CreatedAt
		}
		if begin.IsZero() || s.IntentAt.Before(begin) {
			begin = s.IntentAt
		}
	}
	return begin
}

func (r historyReader) deliveries() error {
	if err := r.get([]any{&r.Cursor}, `SELECT place FROM cursors WHERE name = 'inbox'`); err != nil {
		return err
	}
	var screenshots []string
	for _, s := range r.Submissions {
		if s.ScreenshotID != "" {
			screenshots = append(screenshots, s.ScreenshotID)
		}
	}
	if len(screenshots) == 0 {
		return nil
	}
	first, last, to, err := r.span(inboxLog, r.begin().Add(-clockMargin), historyDeliveries)
	if err != nil {
		return err
	}
	r.searched(to)
	return r.each(func(row scanner) error {
		d, err := scanDelivery(row)
		r.Deliveries = append(r.Deliveries, d)
		return err
	}, deliveriesOf, first, last, jsonOf(screenshots))
}

func (r historyReader) events() error {
	first, last, to, err := r.span(eventLog, r.Job.CreatedAt.Add(-clockMargin), historyEvents)
	if err != nil {
		return err
	}
	r.searched(to)
	return r.each(func(row scanner) error {
		e, err := scanEvent(row)
		r.Events = append(r.Events, e)
		return err
	}, selectEvents+` AND e.job_seq = ? ORDER BY e.seq`, first-1, last, r.seq)
}

// searched records that nothing after a time was looked at.
func (r historyReader) searched(to time.Time) {
	if !to.IsZero() && (r.SearchedTo.IsZero() || to.Before(r.SearchedTo)) {
		r.SearchedTo = to
	}
}

func (r historyReader) callbacks() error {
	for _, e := range r.Events {
		err := r.each(func(row scanner) error {
			c, err := scanCallback(row)
			r.Callbacks = append(r.Callbacks, c)
			return err
		}, callbacksOf, e.Seq)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r historyReader) files() error {
	return r.each(func(row scanner) error {
		f, _, err := scanFile(row)
		f.Job = r.id
		r.Files = append(r.Files, f)
		return err
	}, keptFiles, r.seq)
}
