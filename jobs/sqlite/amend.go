package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// amendment is an amendment with its encoded request.
type amendment struct {
	jobs.Amendment
	seq    int64 // place of the row; 0 if there is none
	values []any // of requestRow
}

// Indexes of the values of requestRow.
const (
	valueError    = 3
	valueURL      = 5
	valueKey      = 6
	valueParams   = 7
	valueTags     = 8
	valuePriority = 13
)

// key returns the request key. It is nil if the request is rejected.
func (a amendment) key() []byte {
	key, _ := a.values[valueKey].([]byte)
	return key
}

// Amend implements jobs.Closures. It looks for rows that are equal to amended ones
// before it takes the write lock, because that reads the whole batch.
func (s *Store) Amend(ctx context.Context, batch string, amendments []jobs.Amendment, at time.Time) (jobs.Effects, error) {
	batchSeq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return jobs.Effects{}, wrapError(err, "amend batch %s", batch)
	}
	encoded, err := s.encodeAmendments(ctx, batch, batchSeq, amendments, at)
	if err != nil {
		return jobs.Effects{}, wrapError(err, "amend batch %s", batch)
	}
	imported, err := s.importedWith(ctx, batchSeq, encoded)
	if err != nil {
		return jobs.Effects{}, wrapError(err, "amend batch %s", batch)
	}
	effects, err := s.afterInbox(ctx, len(encoded), at, func(t *tx, effects *jobs.Effects) error {
		a := amender{tx: t, batch: batch, seq: batchSeq, imported: imported, at: at, effects: effects}
		return a.amend(encoded)
	})
	return effects, wrapError(err, "amend %s of batch %s", number.Of(len(amendments), "row"), batch)
}

// encodeAmendments finds the rows of amendments and encodes their requests. It
// reads the callback URLs that rows keep, because they are part of the keys.
func (s *Store) encodeAmendments(ctx context.Context, batch string, batchSeq int64, amendments []jobs.Amendment, at time.Time) ([]amendment, error) {
	encoded := make([]amendment, len(amendments))
	for i, a := range amendments {
		if a.Job.Batch != batch {
			return nil, fmt.Errorf("%w: job %s is of another batch", jobs.ErrInvalid, a.Job)
		}
		for _, from := range a.From {
			if !slices.Contains(jobs.Amendable, from) {
				return nil, fmt.Errorf("job %s: %w: a job that is %q cannot be amended", a.Job, jobs.ErrInvalid, from)
			}
		}
		var seq int64
		if row := a.Job.Row; row >= 1 && row <= maxRow {
			seq = rowSeq(batchSeq, row)
		}
		var err error
		if a.Request.CallbackURL == "" {
			err = s.read(ctx, func(row scanner) error { return row.Scan(&a.Request.CallbackURL) }, `SELECT callback_url FROM jobs WHERE seq = ?`, seq)
		}
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", a.Job, err)
		}
		values, err := requestRow(a.Request, at)
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", a.Job, err)
		}
		encoded[i] = amendment{Amendment: a, seq: seq, values: values}
	}
	return encoded, nil
}

// amender holds the state of one call of Amend in its transaction.
type amender struct {
	*tx
	batch    string
	seq      int64              // of the batch
	imported map[string][]int64 // see importedWith
	at       time.Time
	effects  *jobs.Effects

	rank    any // priority of the batch if its rows have priorities, otherwise nil
	counts  counterChanges
	changed []int64 // places of jobs whose request changed, in order
}

// amendedRow is the present content of a row.
type amendedRow struct {
	state     jobs.State
	attempt   int
	url       string
	reason    string
	params    sql.NullString
	tags      sql.NullString
	by        jobs.Provenance
	late      int64
	corrected int64
}

// wasJob reports whether the row is a job.
func (r amendedRow) wasJob() bool { return r.state != jobs.Duplicate && r.state != jobs.Rejected }

// unchanged reports whether the row has the request of the amendment already; see
// jobs.Request.SameAs. The key cannot tell, because it contains the callback URL.
func (r amendedRow) unchanged(a amendment) bool {
	if a.Request.Reject != "" {
		return r.state == jobs.Rejected && r.reason == a.Request.Reject && r.url == a.Request.URL
	}
	params, _ := a.values[valueParams].(string)
	tags, _ := a.values[valueTags].(string)
	return r.state != jobs.Rejected && r.url == a.Request.URL && r.params.String == params && r.tags.String == tags
}

func (a *amender) amend(amendments []amendment) error {
	ranked, err := a.prepare(amendments)
	if err != nil {
		return err
	}
	var same []amendment
	var other []amendment
	for _, each := range amendments {
		if each.Request.Priority != nil && !ranked {
			return fmt.Errorf("%w: job %s: a priority, but the rows of the batch have none", jobs.ErrInvalid, each.Job)
		}
		row, found, err := a.read(each)
		if err != nil {
			return err
		}
		switch {
		case !found:
		case each.Request.Reject != "" && row.wasJob():
			return fmt.Errorf("%w: job %s: a job cannot become a rejected row: %s", jobs.ErrInvalid, each.Job, each.Request.Reject)
		case !row.unchanged(each):
			other = append(other, each)
		case slices.Contains(jobs.Retriable, row.state):
			same = append(same, each)
		}
	}
	if err := a.retrySame(same); err != nil {
		return err
	}
	for _, each := range other {
		if err := a.replace(each); err != nil {
			return fmt.Errorf("job %s: %w", each.Job, err)
		}
	}
	for _, seq := range a.changed {
		if err := a.separate(seq); err != nil {
			return fmt.Errorf("duplicates of job %s: %w", a.id(seq), err)
		}
	}
	return a.endBatch()
}

// prepare reads the batch. It reports whether the rows of the batch have
// priorities.
func (a *amender) prepare(amendments []amendment) (ranked bool, err error) {
	seq, state, err := a.batchSeq(a.batch)
	if err != nil {
		return false, err
	}
	if state == jobs.BatchImporting || seq != a.seq {
		return false, jobs.ErrState
	}
	var priority int64
	if err := a.get([]any{&ranked, &priority}, `SELECT ranked, priority FROM batches WHERE seq = ?`, a.seq); err != nil {
		return false, err
	}
	if ranked {
		a.rank = priority
	}
	calls := slices.ContainsFunc(amendments, func(each amendment) bool { return each.Request.CallbackURL != "" })
	if calls {
		_, err = a.exec(`UPDATE batches SET row_callbacks = 1 WHERE seq = ?`, a.seq)
	}
	return ranked, err
}

func (a *amender) id(seq int64) jobs.ID {
	_, row := splitSeq(seq)
	return jobs.ID{Batch: a.batch, Row: row}
}

const readAmended = `SELECT state, attempt, url, error, params, tags, closed_by, late, corrected FROM jobs WHERE seq = ?`

// read returns the row of an amendment. It is not found if the guards of the
// amendment do not hold.
func (a *amender) read(each amendment) (row amendedRow, found bool, err error) {
	err = a.each(func(values scanner) error {
		found = true
		return values.Scan(&row.state, &row.attempt, &row.url, &row.reason, &row.params, &row.tags, &row.by, &row.late, &row.corrected)
	}, readAmended, each.seq)
	return row, found && row.attempt == each.Attempt && slices.Contains(each.From, row.state), err
}

const amendFields = `UPDATE jobs SET metadata = ?, cells = ?, callback_url = ?, timeout_ms = ?, priority = coalesce(?, ?) WHERE seq = ?`

// retrySame retries jobs whose request stays the same. They keep their keys even
// if they get another callback URL, so that their duplicates remain duplicates and
// are not paid for.
func (a *amender) retrySame(amendments []amendment) error {
	if len(amendments) == 0 {
		return nil
	}
	retries := make([]jobs.Retry, len(amendments))
	for i, each := range amendments {
		retries[i] = each.Retry
		retries[i].From = slices.DeleteFunc(slices.Clone(each.From), func(from jobs.State) bool { return !slices.Contains(jobs.Retriable, from) })
	}
	before := len(a.effects.Retried)
	if err := a.retry(retries, a.at, a.effects); err != nil {
		return err
	}
	for _, each := range amendments {
		if !slices.Contains(a.effects.Retried[before:], each.Job) {
			continue
		}
		values := append(slices.Clone(each.values[valueTags+1:valuePriority+1]), a.rank, each.seq)
		_, err := a.exec(amendFields, values...)
		if err != nil {
			return fmt.Errorf("job %s: %w", each.Job, err)
		}
	}
	return nil
}

const replaceRequest = `UPDATE jobs SET state = ?, attempt = ?, first_attempt = ?, duplicate_of = ?, error = ?,
	closed_by = '', closed_at = NULL, late = 0, corrected = 0, screenshot_id = '', image_url = '', submitted_at = NULL, deadline = NULL,
	cancel_asked_at = NULL, url = ?, request_key = ?, params = ?, tags = ?, metadata = ?, cells = ?, callback_url = ?, timeout_ms = ?,
	priority = coalesce(?, ?) WHERE seq = ?`

// replace gives a row another request, if its guards still hold.
func (a *amender) replace(each amendment) error {
	row, found, err := a.read(each)
	if err != nil || !found {
		return err
	}
	to, original := jobs.Queued, any(nil)
	if each.Request.Reject != "" {
		to = jobs.Rejected
	} else if equal, err := a.equalJob(each.key(), each.seq); err != nil {
		return err
	} else if equal != 0 {
		_, number := splitSeq(equal)
		to, original = jobs.Duplicate, number
	}
	attempt := row.attempt
	if to == jobs.Queued || attempt > 0 {
		attempt++
	}
	values := append([]any{string(to), attempt, attempt, original, each.values[valueError]}, each.values[valueURL:valuePriority]...)
	if _, err := a.exec(replaceRequest, append(values, each.values[valuePriority], a.rank, each.seq)...); err != nil {
		return err
	}
	if row.wasJob() {
		a.changed = append(a.changed, each.seq)
	}
	a.counts.move(row, to)
	a.effects.Amended = append(a.effects.Amended, each.Job)
	return a.log(each.seq, attempt, to)
}

func (a *amender) log(seq int64, attempt int, state jobs.State) error {
	_, err := a.exec(`INSERT INTO events (at, type, batch_seq, job_seq, attempt, state) VALUES (?, 'job.amended', ?, ?, ?, ?)`,
		a.at.UnixMilli(), a.seq, seq, attempt, string(state))
	return err
}

const (
	isEqualJob = `SELECT seq FROM jobs WHERE seq = ? AND request_key = ? AND state <> 'duplicate' AND state <> 'rejected'`
	amendedJob = `SELECT seq FROM jobs WHERE first_attempt > 0 AND batch_seq = ? AND request_key = ?
		AND state <> 'duplicate' AND state <> 'rejected' AND seq <> ? LIMIT 1`
)

// equalJob returns the place of another job with this key, or 0 if there is none.
// A batch has at most one job with a key.
func (a *amender) equalJob(key []byte, except int64) (equal int64, err error) {
	found := func(row scanner) error { return row.Scan(&equal) }
	for _, seq := range a.imported[string(key)] {
		if seq == except {
			continue
		}
		if err := a.each(found, isEqualJob, seq, key); err != nil || equal != 0 {
			return equal, err
		}
	}
	err = a.each(found, amendedJob, a.seq, key, except)
	return equal, err
}

// The duplicates of a row that do not have its present key.
const otherDuplicates = `state = 'duplicate' AND batch_seq = ? AND duplicate_of = ?
	AND request_key IS NOT (SELECT o.request_key FROM jobs o WHERE o.seq = ?)`

const (
	firstDuplicate = `SELECT seq, attempt, request_key FROM jobs WHERE ` + otherDuplicates + ` ORDER BY seq LIMIT 1`
	queueDuplicate = `UPDATE jobs SET state = 'queued', attempt = attempt + 1, first_attempt = attempt + 1, duplicate_of = NULL,
		priority = coalesce(priority, ?) WHERE seq = ?`
	repeatOther = `UPDATE jobs SET duplicate_of = ? WHERE ` + otherDuplicates
)

// separate finds another job for the duplicates of a job whose request changed: a
// job that has their request, or else the first of them.
func (a *amender) separate(seq int64) error {
	_, original := splitSeq(seq)
	var first int64
	var attempt int
	var key []byte
	err := a.each(func(row scanner) error { return row.Scan(&first, &attempt, &key) }, firstDuplicate, a.seq, original, seq)
	if err != nil || first == 0 {
		return err
	}
	other, err := a.equalJob(key, first)
	if err != nil {
		return err
	}
	if other == 0 {
		other = first
		if _, err := a.exec(queueDuplicate, a.rank, first); err != nil {
			return err
		}
		a.counts.move(amendedRow{state: jobs.Duplicate}, jobs.Queued)
		a.effects.Separated = append(a.effects.Separated, a.id(first))
		if err := a.log(first, attempt+1, jobs.Queued); err != nil {
			return err
		}
	}
	_, to := splitSeq(other)
	_, err = a.exec(repeatOther, to, a.seq, original, seq)
	return err
}

const (
	openAmended   = `UPDATE batches SET state = 'open', finished_at = NULL WHERE state = 'finished' AND seq = ?`
	reviseAmended = `UPDATE batches SET revision = revision + 1, wake_at = 0 WHERE state = 'finished' AND seq = ? RETURNING seq, id, revision`
)

// endBatch updates the counters of the batch, and opens or revises it.
func (a *amender) endBatch() error {
	if len(a.effects.Amended) == 0 {
		return nil
	}
	if err := a.counts.apply(a.tx, a.seq); err != nil {
		return fmt.Errorf("count amendments: %w", err)
	}
	if a.counts.states[jobs.Queued] == 0 {
		revised, err := a.markBatches(jobs.EventBatchRevised, a.at, reviseAmended, a.seq)
		a.effects.Revised = append(a.effects.Revised, revised...)
		return err
	}
	_, err := a.exec(`UPDATE batches SET wake_at = min(wake_at, ?) WHERE seq = ?`, a.at.UnixMilli(), a.seq)
	if err != nil {
		return err
	}
	opened, err := a.exec(openAmended, a.seq)
	if opened > 0 {
		a.effects.Reopened = append(a.effects.Reopened, a.batch)
	}
	return err
}
