package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"shotline/jobs"
)

// jobColumns are the columns of jobs that scanJob reads, in its order.
const jobColumns = `jobs.seq, line, url, params, tags, metadata, cells, jobs.state, attempt, screenshot_id, image_url, error,
	closed_by, cost_micros, late, double_charged, conflicts, corrected, ` + firstResult + `, ` + vendorSays + `,
	duplicate_of, created_at, submitted_at, closed_at, deadline, cancel_asked_at, timeout_ms, priority`

// The first result and the vendor's response of a job's newest conflict. Few jobs
// have a conflict.
const (
	newestConflict = ` FROM contradictions c WHERE c.job_seq = jobs.seq ORDER BY c.attempt DESC LIMIT 1`
	firstResult    = `CASE WHEN conflicts = 0 THEN '' ELSE coalesce((SELECT c.first_outcome` + newestConflict + `), '') END`
	vendorSays     = `CASE WHEN conflicts = 0 THEN '' ELSE coalesce((SELECT c.vendor_says` + newestConflict + `), '') END`
)

// jobRow scans a job with its place and, into more, the columns after it.
type jobRow struct {
	seq  int64
	size int // bytes of the columns that can be large
	job  jobs.Job
}

func (r *jobRow) scan(row scanner, batch string, more ...any) error {
	var params, tags, metadata, cells sql.NullString
	var cost, duplicateOf, created, submitted, closed, deadline, asked, priority sql.NullInt64
	var timeout int64
	j := &r.job
	*j = jobs.Job{}
	dest := append([]any{&r.seq, &j.Line, &j.URL, &params, &tags, &metadata, &cells, &j.State, &j.Attempt, &j.ScreenshotID,
		&j.ImageURL, &j.Error, &j.ClosedBy, &cost, &j.Late, &j.DoubleCharged, &j.Conflicts,
		&j.Corrected, &j.FirstResult, &j.VendorSays, &duplicateOf, &created, &submitted, &closed, &deadline, &asked, &timeout, &priority}, more...)
	if err := row.Scan(dest...); err != nil {
		return err
	}
	r.size = len(params.String) + len(tags.String) + len(metadata.String) + len(cells.String)
	_, rowNumber := splitSeq(r.seq)
	j.ID = jobs.ID{Batch: batch, Row: rowNumber}
	j.Cost = fromMicros(cost)
	j.DuplicateOf = duplicateOf.Int64
	j.Timeout = time.Duration(timeout) * time.Millisecond
	if priority.Valid {
		own := int(priority.Int64)
		j.Priority = &own
	}
	j.CreatedAt, j.SubmittedAt = fromMillis(created), fromMillis(submitted)
	j.ClosedAt, j.Deadline, j.CancelAskedAt = fromMillis(closed), fromMillis(deadline), fromMillis(asked)
	return errors.Join(fromJSON(params, &j.Params), fromJSON(tags, &j.Tags),
		fromJSON(metadata, &j.Metadata), fromJSON(cells, &j.Cells))
}

// Page sizes of jobs.
const (
	defaultPage = 100
	maxPage     = 1000
)

func pageSize(limit, most int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, most)
}

// selectJobs selects the columns that scanAny reads. It gets the batch by its
// primary key in a scalar subquery, because with a join the planner would start
// with the batches.
const selectJobs = `SELECT ` + jobColumns + `, (SELECT id FROM batches WHERE batches.seq = jobs.seq >> 32) FROM jobs `

// scanAny scans a row of selectJobs, which can be of any batch.
func (r *jobRow) scanAny(row scanner) error {
	var batch string
	err := r.scan(row, "", &batch)
	r.job.ID.Batch = batch
	return err
}

// scanJob scans a row of selectJobs and returns only the job.
func scanJob(row scanner) (jobs.Job, error) {
	var r jobRow
	err := r.scanAny(row)
	return r.job, err
}

// jobsWhere reads jobs of any batch. The tail is a condition and an order for
// selectJobs.
func (s *Store) jobsWhere(ctx context.Context, tail string, args ...any) ([]jobs.Job, error) {
	var page []jobs.Job
	err := s.read(ctx, func(row scanner) error {
		job, err := scanJob(row)
		page = append(page, job)
		return err
	}, selectJobs+tail, args...)
	return page, err
}

// Conditions and orders for selectJobs.
const (
	oneJob    = `WHERE jobs.seq = ((SELECT seq FROM batches WHERE id = ?) << 32) + ? AND ? BETWEEN 1 AND ?`
	rowsAfter = `WHERE jobs.seq > ? AND jobs.seq <= ? ORDER BY jobs.seq LIMIT ?`
)

// Job implements jobs.Reader.
func (s *Store) Job(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	page, err := s.jobsWhere(ctx, oneJob, id.Batch, id.Row, id.Row, int64(maxRow))
	if err == nil && len(page) == 0 {
		err = jobs.ErrNotFound
	}
	if err != nil {
		return jobs.Job{}, wrapError(err, "read job %s", id)
	}
	return page[0], nil
}

// Jobs implements jobs.Reader.
func (s *Store) Jobs(ctx context.Context, f jobs.JobFilter) ([]jobs.Job, error) {
	first, last := int64(0), int64(maxSeq)
	if f.Batch != "" {
		seq, err := s.batchPlace(ctx, f.Batch)
		if errors.Is(err, jobs.ErrNotFound) {
			return nil, nil // matches no job
		}
		if err != nil {
			return nil, wrapError(err, "list jobs of batch %s", f.Batch)
		}
		first, last = rowSeq(seq, 1), rowSeq(seq, maxRow)
	}
	if !f.After.IsZero() {
		seq, err := s.batchPlace(ctx, f.After.Batch)
		if err != nil {
			return nil, wrapError(err, "list jobs after %s", f.After)
		}
		first = max(first, rowSeq(seq, f.After.Row)+1)
	}
	where, found := firstInStates(f.States, "")
	if !found {
		where = between + inStates(f.States)
	}
	page, err := s.jobsWhere(ctx, `WHERE `+where+` ORDER BY jobs.seq LIMIT ?3`, first, last, pageSize(f.Limit, maxPage))
	return page, wrapError(err, "list jobs")
}

// Rows implements jobs.Reader.
func (s *Store) Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error) {
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return nil, wrapError(err, "list rows of batch %s", batch)
	}
	page, err := s.jobsWhere(ctx, rowsAfter, rowSeq(seq, max(after, 0)), rowSeq(seq, maxRow), pageSize(limit, maxPage))
	if err != nil {
		return nil, wrapError(err, "list rows of batch %s", batch)
	}
	rows := make([]jobs.Row, len(page))
	originals := make(map[int64]*jobs.Job)
	for i, job := range page {
		rows[i].Job = job
		if job.DuplicateOf == 0 {
			continue
		}
		if originals[job.DuplicateOf] == nil {
			original, err := s.Job(ctx, jobs.ID{Batch: batch, Row: job.DuplicateOf})
			if err != nil {
				return nil, wrapError(err, "list rows of batch %s", batch)
			}
			originals[job.DuplicateOf] = &original
		}
		rows[i].Original = originals[job.DuplicateOf]
	}
	return rows, nil
}
