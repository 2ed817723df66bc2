package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// Observe implements jobs.Ledger. The vendor's cache can give one screenshot to
// several submissions. The result of such a screenshot closes the jobs of all of
// them.
func (s *Store) Observe(ctx context.Context, observations []jobs.Observation, by jobs.Provenance, at, deadline time.Time) (jobs.Effects, error) {
	if len(observations) == 0 {
		return jobs.Effects{}, nil
	}
	step := func(t *tx, effects *jobs.Effects) error {
		o := observer{tx: t, store: s, by: by, at: at, deadline: deadline, effects: effects}
		return o.observe(observations)
	}
	observe := s.observeNow
	if by == jobs.ByPoll {
		observe = s.afterInbox
	}
	effects, err := observe(ctx, len(observations), at, step)
	return effects, wrapError(err, "observe %s", number.Of(len(observations), "screenshot"))
}

// observeNow runs a step on n screenshots without applying the inbox first.
// Creates use it because they are answered one by one, and many at the same time.
func (s *Store) observeNow(ctx context.Context, n int, at time.Time, step func(t *tx, effects *jobs.Effects) error) (jobs.Effects, error) {
	write := s.write
	if n > groupLimit {
		write = s.writeAlone
	}
	var before jobs.Effects // of deliveries that had to be applied first
	for range closeTries {
		var effects jobs.Effects
		err := write(ctx, func(t *tx) error { return step(t, &effects) })
		if failed := (*applyError)(nil); errors.As(err, &failed) {
			if err := s.drainInbox(ctx, at, &before); err != nil {
				return before, fmt.Errorf("apply inbox first: %w", err)
			}
			continue
		}
		if err != nil {
			return before, err
		}
		return addEffects(before, effects), nil
	}
	return before, fmt.Errorf("%w: deliveries keep making the transaction fail", jobs.ErrUnavailable)
}

// observer holds the state that all observations of one call share.
type observer struct {
	*tx
	store        *Store
	by           jobs.Provenance
	at, deadline time.Time
	effects      *jobs.Effects
	results      bool    // whether outcomes has rows
	charged      []int64 // batches whose double charges or costs have changed
	toCancel     []int64 // jobs that became pending and that somebody had asked to cancel
}

// sighting is an observation with its job and its submission.
type sighting struct {
	jobs.Observation
	seq       int64
	attempt   int // the job's attempt
	state     jobs.State
	canceling bool // whether somebody asked to cancel the job
	extra     int
}

func (o *observer) observe(observations []jobs.Observation) error {
	if err := o.control(`DELETE FROM outcomes`); err != nil {
		return err
	}
	var seen []sighting
	for _, observation := range observations {
		sight, ours, err := o.find(observation)
		if err == nil && ours {
			err = o.record(&sight)
			seen = append(seen, sight)
		}
		if err != nil {
			return fmt.Errorf("job %s: %w", observation.Job, err)
		}
	}
	if o.results {
		if err := o.settle(o.at, o.effects); err != nil {
			return err
		}
		if o.by == jobs.ByPoll {
			if err := o.correct(o.at, o.effects); err != nil {
				return err
			}
		}
	}
	if err := o.cancel(); err != nil {
		return err
	}
	if err := o.revise(); err != nil {
		return fmt.Errorf("revise batches: %w", err)
	}
	// This comes after the closures, because they clear the error of a job that is
	// done.
	for _, sight := range seen {
		if err := o.fill(sight); err != nil {
			return fmt.Errorf("job %s: %w", sight.Job, err)
		}
	}
	return nil
}

// cancel ends the jobs whose cancellation waited for their screenshot id. If the
// inbox holds a result for one of them, the result takes precedence.
func (o *observer) cancel() error {
	if len(o.toCancel) == 0 {
		return nil
	}
	applied, err := o.store.applyNext(o.tx, o.at, -1)
	if err != nil {
		return err
	}
	*o.effects = addEffects(*o.effects, applied.Effects)
	return o.cancelAsked(o.toCancel, o.at, o.effects)
}

// reviseCharged gives a batch its next revision if its newest summary lacks a
// charge. It must run after the late results of the same step, which revise as
// well.
const reviseCharged = `UPDATE batches SET revision = revision + 1, wake_at = 0
	WHERE seq = ? AND state = 'finished' AND summarized >= revision RETURNING seq, id, revision`

func (o *observer) revise() error {
	for _, seq := range o.charged {
		revised, err := o.markBatches(jobs.EventBatchRevised, o.at, reviseCharged, seq)
		if err != nil {
			return err
		}
		o.effects.Revised = append(o.effects.Revised, revised...)
	}
	return nil
}

// charge records that the charges of a job's batch have changed.
func (o *observer) charge(seq int64) {
	if batch := seq >> 32; !slices.Contains(o.charged, batch) {
		o.charged = append(o.charged, batch)
	}
}

// find looks up the job. An observation is ours if the job exists and has begun
// the attempt.
func (o *observer) find(observation jobs.Observation) (sight sighting, ours bool, err error) {
	sight.Observation = observation
	if observation.ScreenshotID == "" || observation.Attempt < 1 {
		return sight, false, nil
	}
	sight.seq, err = o.jobSeq(observation.Job)
	if err != nil || sight.seq == 0 {
		return sight, false, err
	}
	err = o.get([]any{&sight.attempt, &sight.state, &sight.canceling}, `SELECT attempt, state, cancel_asked_at IS NOT NULL FROM jobs WHERE seq = ?`, sight.seq)
	if errors.Is(err, sql.ErrNoRows) {
		return sight, false, nil
	}
	return sight, err == nil && observation.Attempt <= sight.attempt, err
}

const knownScreenshots = `SELECT extra, screenshot_id FROM submissions WHERE job_seq = +? AND attempt = +? ORDER BY extra`

// record stores the screenshot, its cost and its result.
func (o *observer) record(sight *sighting) error {
	wanted, count, known := sql.NullString{}, 0, false
	err := o.each(func(row scanner) error {
		var extra int
		var id sql.NullString
		if err := row.Scan(&extra, &id); err != nil {
			return err
		}
		if extra == 0 {
			wanted = id
		}
		if id.Valid && id.String == sight.ScreenshotID {
			known, sight.extra = true, extra
		}
		count++
		return nil
	}, knownScreenshots, sight.seq, sight.Attempt)
	switch {
	case err != nil:
		return err
	case known:
	case !wanted.Valid:
		err = o.adopt(sight)
	default:
		sight.extra = count
		err = o.doubleCharge(sight)
	}
	if err == nil && sight.Cost != nil {
		err = o.addCost(sight)
	}
	if err == nil && (sight.Outcome == jobs.OutcomeDone || sight.Outcome == jobs.OutcomeFailed) {
		err = o.addResult(sight)
	}
	return err
}

const adoptScreenshot = `INSERT INTO submissions (job_seq, attempt, extra, screenshot_id) VALUES (?1, ?2, 0, ?3)
	ON CONFLICT DO UPDATE SET screenshot_id = ?3, open_after = NULL, doubt_since = NULL, check_at = NULL`

// intentOf selects when the create of a submission was sent if its response was
// lost: the time of the newest intent that is open or was lost. It is ?3 if
// neither is recorded.
const intentOf = `SELECT coalesce(intent_at, lost_at, ?3) FROM submissions WHERE job_seq = +?1 AND attempt = +?2 AND extra = 0`

// newDeadline is the deadline of a job whose screenshot has become known. ?3 is
// the deadline of the call, ?5 the time of the call.
const newDeadline = `CASE timeout_ms WHEN 0 THEN ?3 ELSE ?5 + timeout_ms END`

// adopt gives a submission its screenshot. A job that was queued to be sent again
// becomes pending as well, because its screenshot is already paid for.
func (o *observer) adopt(sight *sighting) error {
	if _, err := o.exec(adoptScreenshot, sight.seq, sight.Attempt, sight.ScreenshotID); err != nil {
		return err
	}
	o.effects.Adopted++
	if sight.Attempt == sight.attempt {
		submitted := o.at.UnixMilli()
		if o.by != jobs.ByCreate {
			if err := o.get([]any{&submitted}, intentOf, sight.seq, sight.Attempt, submitted); err != nil {
				return err
			}
		}
		query := `UPDATE jobs SET screenshot_id = ?1, submitted_at = ?2, deadline = ` + newDeadline + ` WHERE seq = ?4 AND screenshot_id = ''`
		args := []any{sight.ScreenshotID, submitted, millis(o.deadline), sight.seq, o.at.UnixMilli()}
		if sight.state == jobs.Queued || sight.state == jobs.Submitting {
			query = `UPDATE jobs SET state = 'pending', screenshot_id = ?1, submitted_at = ?2,
				deadline = ` + newDeadline + `, lease_owner = NULL, lease_until = NULL WHERE seq = ?4`
			if err := o.moveCount(sight.seq>>32, sight.state, jobs.Pending, 1); err != nil {
				return err
			}
			sight.state = jobs.Pending
			if sight.canceling {
				o.toCancel = append(o.toCancel, sight.seq)
			}
		}
		if _, err := o.exec(query, args...); err != nil {
			return err
		}
	}
	if sight.Outcome != jobs.OutcomeDone && sight.Outcome != jobs.OutcomeFailed {
		if err := o.takeOver(sight); err != nil {
			return err
		}
	}
	return o.releaseFor(sight.ScreenshotID)
}

const loadTakenOver = `INSERT INTO outcomes (job_seq, attempt, extra, screenshot_id, outcome, image_url, error, closed_by)
	SELECT ?1, ?2, 0, s.screenshot_id, s.outcome, s.image_url, CASE s.outcome WHEN 'failed' THEN j.error ELSE '' END, s.outcome_by
	FROM submissions s JOIN jobs j ON j.seq = s.job_seq
	WHERE s.screenshot_id = +?3 AND s.outcome IS NOT NULL AND (s.job_seq <> ?1 OR s.attempt <> ?2) LIMIT 1`

// takeOver copies a result that another submission, of this job or of another
// one, received for the same screenshot from the vendor's cache. Without it the
// job would wait for a webhook that is not sent again.
func (o *observer) takeOver(sight *sighting) error {
	n, err := o.exec(loadTakenOver, sight.seq, sight.Attempt, sight.ScreenshotID)
	o.results = o.results || n > 0
	return err
}

func (o *observer) doubleCharge(sight *sighting) error {
	_, err := o.exec(`INSERT INTO submissions (job_seq, attempt, extra, screenshot_id) VALUES (?, ?, ?, ?)`,
		sight.seq, sight.Attempt, sight.extra, sight.ScreenshotID)
	if err != nil {
		return err
	}
	o.effects.DoubleCharged = append(o.effects.DoubleCharged, sight.Job)
	o.charge(sight.seq)
	if _, err := o.exec(`UPDATE jobs SET double_charged = double_charged + 1 WHERE seq = ?`, sight.seq); err != nil {
		return err
	}
	if _, err := o.exec(`UPDATE batches SET double_charged = double_charged + 1 WHERE seq = ?`, sight.seq>>32); err != nil {
		return err
	}
	return o.releaseFor(sight.ScreenshotID)
}

// loadHeld turns the deliveries held for a screenshot into results, as if they
// arrived now.
const loadHeld = `INSERT INTO outcomes
	(delivery, job_seq, attempt, extra, recorded, screenshot_id, outcome, image_url, error, closed_by)
	SELECT i.seq, s.job_seq, s.attempt, s.extra, s.outcome, i.screenshot_id, i.outcome, i.image_url, i.error, 'webhook'
	FROM inbox i CROSS JOIN submissions s ON s.screenshot_id = i.screenshot_id
	WHERE i.disposition = 'held' AND i.screenshot_id = +? ORDER BY i.seq`

func (o *observer) releaseFor(screenshotID string) error {
	n, err := o.exec(loadHeld, screenshotID)
	if err != nil || n == 0 {
		return err
	}
	o.results = true
	_, err = o.exec(`UPDATE inbox SET disposition = '' WHERE disposition = 'held' AND screenshot_id = ?`, screenshotID)
	if err != nil {
		return err
	}
	return o.heldLess()
}

// addCost adds the cost of a screenshot unless it was added before.
func (o *observer) addCost(sight *sighting) error {
	cost := int64(math.Round(*sight.Cost * oneCredit))
	n, err := o.exec(`UPDATE submissions SET cost_micros = ? WHERE job_seq = ? AND attempt = ? AND extra = ? AND cost_micros IS NULL`,
		cost, sight.seq, sight.Attempt, sight.extra)
	if err != nil || n == 0 {
		return err
	}
	o.charge(sight.seq)
	if err := o.spend(sight.seq, sight.Attempt, cost, o.at); err != nil {
		return err
	}
	if _, err := o.exec(`UPDATE jobs SET cost_micros = coalesce(cost_micros, 0) + ? WHERE seq = ?`, cost, sight.seq); err != nil {
		return err
	}
	_, err = o.exec(`UPDATE batches SET cost_micros = coalesce(cost_micros, 0) + ? WHERE seq = ?`, cost, sight.seq>>32)
	return err
}

const loadResult = `INSERT INTO outcomes (job_seq, attempt, extra, recorded, screenshot_id, outcome, image_url, error, closed_by)
	SELECT job_seq, attempt, extra, outcome, screenshot_id, ?, ?, ?, ? FROM submissions WHERE screenshot_id = ?`

func (o *observer) addResult(sight *sighting) error {
	o.results = true
	_, err := o.exec(loadResult, string(sight.Outcome), sight.ImageURL, sight.Error, string(o.by), sight.ScreenshotID)
	return err
}

// fillJob fills in the missing details of a job's own screenshot: the error if
// the job failed, the image if the job is done or might still become done.
const fillJob = `UPDATE jobs SET
	error     = CASE WHEN error     = '' AND state <> 'done' AND state <> 'canceled' THEN ?1 ELSE error END,
	image_url = CASE WHEN image_url = '' AND state <> 'failed' AND state <> 'timed_out' AND state <> 'canceled' THEN ?2 ELSE image_url END
	WHERE seq = ?3 AND screenshot_id = ?4`

func (o *observer) fill(sight sighting) error {
	if sight.Error == "" && sight.ImageURL == "" {
		return nil
	}
	if _, err := o.exec(fillJob, sight.Error, sight.ImageURL, sight.seq, sight.ScreenshotID); err != nil {
		return err
	}
	_, err := o.exec(`UPDATE submissions SET image_url = ? WHERE job_seq = ? AND attempt = ? AND extra = ? AND image_url = ''`,
		sight.ImageURL, sight.seq, sight.Attempt, sight.extra)
	return err
}
