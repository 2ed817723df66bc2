package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

const insertBatch = `INSERT INTO batches (id, state, source, columns, params, tags, apps, job_timeout_ms, priority, single,
	callback_url, dialect, rerun_of, budget_micros, rows, queued, created_at, touched_at)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?16, ?16) ON CONFLICT (id) DO NOTHING`

// checkSpec returns jobs.ErrInvalid if the id, the priority or the budget of a spec
// is invalid.
func checkSpec(spec jobs.BatchSpec) error {
	switch {
	case !jobs.ValidBatchID(spec.ID):
		return fmt.Errorf("%w: %q is not a batch id", jobs.ErrInvalid, spec.ID)
	case spec.Priority < -jobs.MaxPriority || spec.Priority > jobs.MaxPriority:
		return fmt.Errorf("%w: priority %d is not between -%d and %d", jobs.ErrInvalid, spec.Priority, jobs.MaxPriority, jobs.MaxPriority)
	}
	return jobs.CheckBudget(spec.Budget)
}

// batchRow returns the arguments of insertBatch for a spec and a number of queued
// jobs.
func batchRow(spec jobs.BatchSpec, state jobs.BatchState, queued int, at time.Time) ([]any, error) {
	columns, err1 := canonicalJSON(spec.Columns, len(spec.Columns))
	params, err2 := canonicalJSON(spec.Params, len(spec.Params))
	tags, err3 := canonicalJSON(spec.Tags, len(spec.Tags))
	apps, err4 := canonicalJSON(spec.Apps, len(spec.Apps))
	var written any // NULL for the zero Dialect
	var err5 error
	if spec.Dialect != (jobs.Dialect{}) {
		written, err5 = canonicalJSON(spec.Dialect, 1)
	}
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", jobs.ErrInvalid, err)
		}
	}
	return []any{spec.ID, string(state), spec.Source, columns, params, tags, apps, spec.JobTimeout.Milliseconds(),
		spec.Priority, spec.Single, spec.CallbackURL, written, spec.RerunOf, micros(spec.Budget), queued, at.UnixMilli()}, nil
}

// addBatch inserts a batch and records its key.
func (t *tx) addBatch(row []any, key jobs.Key, at time.Time) (seq int64, err error) {
	if err := t.keyTaken(key); err != nil {
		return 0, err
	}
	result, err := t.result(insertBatch, row...)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(err, jobs.ErrExists)
	}
	seq, err = result.LastInsertId()
	if err != nil || key == (jobs.Key{}) {
		return seq, err
	}
	_, err = t.exec(`INSERT INTO idempotency_keys (scope, name, hash, batch_seq, created_at) VALUES (?, ?, ?, ?, ?)`,
		key.Scope, key.Name, key.Hash[:], seq, at.UnixMilli())
	return seq, err
}

// keyTaken returns a *jobs.KeyTakenError if a batch was created with the key.
func (t *tx) keyTaken(key jobs.Key) error {
	if key == (jobs.Key{}) {
		return nil
	}
	var hash []byte
	var taken jobs.KeyTakenError
	err := t.get([]any{&hash, &taken.Batch}, `SELECT hash, (SELECT id FROM batches WHERE seq = batch_seq)
		FROM idempotency_keys WHERE scope = ? AND name = ?`, key.Scope, key.Name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up key: %w", err)
	}
	taken.Same = string(hash) == string(key.Hash[:])
	return &taken
}

// AddJob implements jobs.Imports.
func (s *Store) AddJob(ctx context.Context, spec jobs.BatchSpec, r jobs.Request, at time.Time) (jobs.Job, error) {
	if err := s.addJob(ctx, spec, r, at); err != nil {
		return jobs.Job{}, wrapError(err, "add job %s", spec.ID)
	}
	return s.Job(context.WithoutCancel(ctx), jobs.ID{Batch: spec.ID, Row: 1}) // the job exists, even if ctx ended
}

func (s *Store) addJob(ctx context.Context, spec jobs.BatchSpec, r jobs.Request, at time.Time) error {
	if r.Reject != "" {
		return fmt.Errorf("%w: %s", jobs.ErrInvalid, r.Reject)
	}
	spec.Single = true
	spec, r = withOptions(spec, r)
	if err := checkSpec(spec); err != nil {
		return err
	}
	batch, err := batchRow(spec, jobs.BatchOpen, 1, at)
	if err != nil {
		return err
	}
	job, err := requestRow(r, at)
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		seq, err := t.addBatch(batch, spec.Key, at)
		if err != nil {
			return err
		}
		job[0] = rowSeq(seq, 1)
		_, err = t.exec(insertPlain[1], job[:plainValues]...)
		return err
	})
}

// withOptions moves the options of a request to the batch that is created for it.
func withOptions(spec jobs.BatchSpec, r jobs.Request) (jobs.BatchSpec, jobs.Request) {
	if r.CallbackURL != "" {
		spec.CallbackURL = r.CallbackURL
	}
	if r.Timeout > 0 {
		spec.JobTimeout = r.Timeout
	}
	if r.Priority != nil {
		spec.Priority = *r.Priority
	}
	r.CallbackURL, r.Timeout, r.Priority = "", 0, nil
	return spec, r
}
