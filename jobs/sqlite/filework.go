package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// fileColumns are the columns that scanFile reads, in its order.
const fileColumns = `files.job_seq, output, shot, files.attempt, screenshot, folder, name, files.state, size, type, files.error, tries, wake_at, saved_at,
	old_name, old_size, old_saved_at`

// scanFile scans a file without the id of its batch, and the place of its job.
func scanFile(row scanner) (f jobs.File, seq int64, err error) {
	var wake, saved, oldSaved sql.NullInt64
	err = row.Scan(&seq, &f.Output, &f.Shot, &f.Attempt, &f.Screenshot, &f.Folder, &f.Name, &f.State, &f.Size, &f.Type,
		&f.Error, &f.Tries, &wake, &saved, &f.Old.Name, &f.Old.Size, &oldSaved)
	_, f.Job.Row = splitSeq(seq)
	f.Old.SavedAt = fromMillis(oldSaved)
	if f.WakeAt, f.SavedAt = fromMillis(wake), fromMillis(saved); f.State != jobs.FileWanted {
		f.WakeAt = time.Time{}
	}
	return f, seq, err
}

// dueFiles selects files to claim by the index files_wanted. Those of another
// screenshot than the job's wait for WantFiles. dueFilesOf selects those of a JSON
// list of batches.
const (
	dueFiles = `SELECT files.job_seq, output, shot FROM files` + ofPresentJob + `
		WHERE files.state = 'wanted' AND wake_at <= ?1` + inDueOrder
	dueFilesOf = `SELECT files.job_seq, output, shot FROM files` + ofPresentJob + `
		WHERE files.state = 'wanted' AND wake_at <= ?1
		AND files.job_seq >> 32 IN (SELECT seq FROM batches WHERE id IN (SELECT value FROM json_each(?3)))` + inDueOrder
	inDueOrder = ` ORDER BY wake_at, files.job_seq, output, shot LIMIT +?2`
	claimFile  = `UPDATE files SET wake_at = ? WHERE job_seq = ? AND output = ? AND shot = ? RETURNING ` + fileColumns
)

// fileKey identifies a file.
type fileKey struct {
	job    int64
	output string
	shot   int
}

// claimQuery returns the query that selects files to claim, with its arguments.
func claimQuery(at time.Time, limit int, batches []string) (query string, args []any) {
	if len(batches) > 0 {
		return dueFilesOf, []any{at.UnixMilli(), limit, jsonOf(batches)}
	}
	return dueFiles, []any{at.UnixMilli(), limit}
}

// FilesDue implements jobs.Files.
func (s *Store) FilesDue(ctx context.Context, at time.Time, batches ...string) (due bool, err error) {
	query, args := claimQuery(at, 1, batches)
	err = s.read(ctx, func(scanner) error { due = true; return nil }, query, args...)
	return due, wrapError(err, "look for files that are due")
}

// ClaimFiles implements jobs.Files. It takes the write lock only if a read finds a
// file to claim.
func (s *Store) ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) (works []jobs.FileWork, err error) {
	due, err := s.FilesDue(ctx, at, batches...)
	if err != nil || !due || limit <= 0 {
		return nil, err
	}
	query, args := claimQuery(at, limit, batches)
	err = s.writeAlone(ctx, func(t *tx) error {
		works = nil
		var keys []fileKey
		err := t.each(func(row scanner) error {
			var k fileKey
			err := row.Scan(&k.job, &k.output, &k.shot)
			keys = append(keys, k)
			return err
		}, query, args...)
		known := map[int64]batchOrder{}
		for _, k := range keys {
			var w jobs.FileWork
			if err == nil {
				w, err = t.claimFile(k, again, known)
			}
			works = append(works, w)
		}
		return err
	})
	if err != nil {
		return nil, wrapError(err, "claim files")
	}
	return works, nil
}

// batchOrder is a batch with the order that applies to it.
type batchOrder struct {
	batch *jobs.Batch
	order jobs.DownloadOrder
}

func (t *tx) claimFile(k fileKey, again time.Time, known map[int64]batchOrder) (w jobs.FileWork, err error) {
	err = t.each(func(row scanner) (err error) {
		w.File, _, err = scanFile(row)
		return err
	}, claimFile, again.UnixMilli(), k.job, k.output, k.shot)
	if err != nil {
		return w, err
	}
	place, _ := splitSeq(k.job)
	of, found := known[place]
	if !found {
		if of, err = t.batchAndOrder(place); err != nil {
			return w, err
		}
		known[place] = of
	}
	var job jobRow
	if err := t.each(job.scanAny, selectJobs+`WHERE jobs.seq = ?`, k.job); err != nil {
		return w, err
	}
	w.File.Job, w.Job, w.Batch, w.Order = job.job.ID, job.job, of.batch, of.order
	return w, nil
}

func (t *tx) batchAndOrder(seq int64) (of batchOrder, err error) {
	err = t.each(func(row scanner) error {
		_, b, err := scanBatch(row)
		of.batch = &b
		return err
	}, `SELECT `+batchColumns+` FROM batches WHERE seq = ?`, seq)
	if err == nil {
		err = t.each(func(row scanner) (err error) {
			of.order, err = scanOrder(row)
			return err
		}, `SELECT coalesce((SELECT id FROM batches WHERE seq = batch_seq), ''), folder, name, outputs, at FROM download_orders
			WHERE batch_seq IN (?, 0) ORDER BY batch_seq DESC LIMIT 1`, seq)
	}
	return of, err
}

// nameFile has no effect if the name is taken, also by an earlier version that is
// still on disk.
const (
	nameFile = `UPDATE OR IGNORE files SET name = ?1, folded = ?2
		WHERE job_seq = ?3 AND output = ?4 AND shot = ?5 AND state = 'wanted' AND screenshot = ?6 AND folder = ?7
		AND NOT EXISTS (SELECT 1 FROM files other WHERE other.folder = ?7 AND other.old_folded = ?2 AND other.old_folded <> ''
			AND (other.job_seq, other.output, other.shot) <> (?3, ?4, ?5))`
	isWanted = `SELECT EXISTS (SELECT 1 FROM files WHERE job_seq = ? AND output = ? AND shot = ? AND state = 'wanted' AND screenshot = ? AND folder = ?)`
)

// NameFile implements jobs.Files.
func (s *Store) NameFile(ctx context.Context, f jobs.File) error {
	if f.Name == "" {
		return fmt.Errorf("name a file of %s: %w: it has no name", f.Job, jobs.ErrInvalid)
	}
	err := s.write(ctx, func(t *tx) error {
		seq, err := t.jobSeq(f.Job)
		if err != nil {
			return err
		}
		version := []any{seq, string(f.Output), f.Shot, f.Screenshot, f.Folder}
		n, err := t.exec(nameFile, append([]any{f.Name, jobs.FoldName(f.Name)}, version...)...)
		if err != nil || n > 0 {
			return err
		}
		var wanted bool
		if err := t.get([]any{&wanted}, isWanted, version...); err != nil {
			return err
		}
		if wanted {
			return jobs.ErrExists
		}
		return jobs.ErrLeaseLost
	})
	return wrapError(err, "name a file of %s %q", f.Job, f.Name)
}

// settleFile frees the name of a file that does not exist. A saved file must still
// have its name: the record loses it if the job or the order changes, and then
// changes back.
const settleFile = `UPDATE files SET state = ?1, size = ?2, type = ?3, error = ?4, tries = ?5, wake_at = ?6, saved_at = ?7,
	name = CASE WHEN ?1 IN ('gone', 'failed') THEN '' ELSE name END, folded = CASE WHEN ?1 IN ('gone', 'failed') THEN '' ELSE folded END,
	old_name = CASE ?1 WHEN 'saved' THEN '' ELSE old_name END, old_folded = CASE ?1 WHEN 'saved' THEN '' ELSE old_folded END,
	old_size = CASE ?1 WHEN 'saved' THEN 0 ELSE old_size END, old_saved_at = CASE ?1 WHEN 'saved' THEN NULL ELSE old_saved_at END
	WHERE job_seq = ?8 AND output = ?9 AND shot = ?10 AND state = 'wanted' AND screenshot = ?11 AND folder = ?12
		AND (?1 <> 'saved' OR name = ?13)`

// SettleFiles implements jobs.Files.
func (s *Store) SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	for _, f := range files {
		switch f.State {
		case jobs.FileSaved, jobs.FileGone, jobs.FileFailed:
		case jobs.FileWanted:
			if f.WakeAt.IsZero() {
				return fmt.Errorf("settle a file of %s: %w: wanted without a time", f.Job, jobs.ErrInvalid)
			}
		default:
			return fmt.Errorf("settle a file of %s: %w: state %q", f.Job, jobs.ErrInvalid, f.State)
		}
	}
	if len(files) == 0 {
		return nil
	}
	write := s.write
	if len(files) > shareLimit {
		write = s.writeAlone
	}
	err := write(ctx, func(t *tx) error {
		for _, f := range files {
			seq, err := t.jobSeq(f.Job)
			if err != nil {
				return err
			}
			wake, saved := any(nil), any(nil)
			switch f.State {
			case jobs.FileWanted:
				wake = millis(f.WakeAt)
			case jobs.FileSaved:
				saved = millis(at)
				if !f.SavedAt.IsZero() {
					saved = millis(f.SavedAt)
				}
			}
			_, err = t.exec(settleFile, string(f.State), f.Size, f.Type, f.Error, f.Tries, wake, saved,
				seq, string(f.Output), f.Shot, f.Screenshot, f.Folder, f.Name)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrapError(err, "settle %s", number.Of(len(files), "file"))
}
