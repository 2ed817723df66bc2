package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"shotline/jobs"
)

// filesReader is the name of the cursor that WantFiles follows the log with. It
// exists as long as there are orders, so that no event is pruned before its job
// was looked at.
const filesReader = "files"

// putOrder looks at the jobs again only if the order changed.
const putOrder = `INSERT INTO download_orders (batch_seq, folder, name, outputs, at) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (batch_seq) DO UPDATE SET folder = excluded.folder, name = excluded.name, outputs = excluded.outputs, at = excluded.at,
		looked_to = 0, complete = 0
	WHERE folder <> excluded.folder OR name <> excluded.name OR outputs <> excluded.outputs`

// The files that failed of one batch, and those of all batches without an order of
// their own.
const (
	wantFailed    = `UPDATE files SET state = 'wanted', tries = 0, wake_at = ?1 WHERE state = 'failed'`
	wantFailedOf  = wantFailed + ` AND job_seq > ?2 << 32 AND job_seq < (?2 + 1) << 32`
	wantFailedAll = wantFailed + ` AND NOT EXISTS (SELECT 1 FROM download_orders WHERE batch_seq = job_seq >> 32)`
)

// OrderDownload implements jobs.Files.
func (s *Store) OrderDownload(ctx context.Context, order jobs.DownloadOrder, at time.Time) error {
	if order.Folder != "" && !filepath.IsAbs(order.Folder) {
		return fmt.Errorf("order download: %w: folder %s is not absolute", jobs.ErrInvalid, order.Folder)
	}
	outputs := make([]string, len(order.Outputs))
	for i, output := range order.Outputs {
		if !slices.Contains(jobs.Outputs, output) {
			return fmt.Errorf("order download: %w: unknown output %q", jobs.ErrInvalid, output)
		}
		outputs[i] = string(output)
	}
	slices.Sort(outputs)
	err := s.writeAlone(ctx, func(t *tx) (err error) {
		var batch int64 // 0 is the place of no batch
		if order.Batch != "" {
			if batch, _, err = t.batchSeq(order.Batch); err != nil {
				return err
			}
		}
		if order.Folder == "" {
			return t.removeOrder(batch)
		}
		_, err = t.exec(`INSERT INTO readers (name, place, opened_at) VALUES (?, (`+newestEvent+`), ?) ON CONFLICT DO NOTHING`,
			filesReader, at.UnixMilli())
		if err != nil {
			return err
		}
		if _, err := t.exec(putOrder, batch, order.Folder, order.Name, jsonOf(outputs), at.UnixMilli()); err != nil {
			return err
		}
		if batch == 0 {
			_, err = t.exec(wantFailedAll, at.UnixMilli())
		} else {
			_, err = t.exec(wantFailedOf, at.UnixMilli(), batch)
		}
		return err
	})
	return wrapError(err, "order download of batch %q", order.Batch)
}

// forgetUnordered removes wanted files whose batch has no order any more.
const forgetUnordered = `DELETE FROM files WHERE state = 'wanted'
	AND NOT EXISTS (SELECT 1 FROM download_orders WHERE batch_seq IN (0, job_seq >> 32))`

func (t *tx) removeOrder(batch int64) error {
	removed, err := t.exec(`DELETE FROM download_orders WHERE batch_seq = ?`, batch)
	if err != nil || removed == 0 {
		return err
	}
	for _, query := range []string{
		forgetUnordered,
		`UPDATE download_orders SET looked_to = 0, complete = 0 WHERE batch_seq = 0`, // it applies to the batch now
		`DELETE FROM readers WHERE name = '` + filesReader + `' AND NOT EXISTS (SELECT 1 FROM download_orders)`,
	} {
		if _, err := t.exec(query); err != nil {
			return err
		}
	}
	return nil
}

// ordersOf selects orders by a JSON list of batches, "" among them for the order
// of all batches.
const ordersOf = `SELECT wanted.value, folder, name, outputs, at FROM json_each(?) wanted
	JOIN download_orders ON batch_seq = CASE wanted.value WHEN '' THEN 0 ELSE (SELECT seq FROM batches WHERE id = wanted.value) END`

// DownloadOrders implements jobs.Files.
func (s *Store) DownloadOrders(ctx context.Context, batches ...string) (orders []jobs.DownloadOrder, err error) {
	err = s.read(ctx, func(row scanner) error {
		o, err := scanOrder(row)
		orders = append(orders, o)
		return err
	}, ordersOf, jsonOf(batches))
	return orders, wrapError(err, "read download orders")
}

func scanOrder(row scanner) (o jobs.DownloadOrder, err error) {
	var outputs sql.NullString
	var at sql.NullInt64
	if err := row.Scan(&o.Batch, &o.Folder, &o.Name, &outputs, &at); err != nil {
		return o, err
	}
	o.At = fromMillis(at)
	return o, fromJSON(outputs, &o.Outputs)
}

// jobsToLookAt is true if a job changed since the last look or an order has not
// looked at all jobs.
const jobsToLookAt = `SELECT EXISTS (SELECT 1 FROM readers WHERE name = '` + filesReader + `' AND place < (` + newestEvent + `))
	OR EXISTS (SELECT 1 FROM download_orders WHERE complete = 0)`

// WantFiles implements jobs.Files.
func (s *Store) WantFiles(ctx context.Context, at time.Time, limit int) (wanted int, more bool, err error) {
	defer func() { err = wrapError(err, "want files") }()
	var due bool
	if err := s.readDB.QueryRowContext(ctx, jobsToLookAt).Scan(&due); err != nil || !due {
		return 0, false, err
	}
	err = s.writeAlone(ctx, func(t *tx) error {
		wanted, more, err = t.wantFiles(at, max(limit, 1))
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return wanted, more, nil
}

func (t *tx) wantFiles(at time.Time, limit int) (wanted int, more bool, err error) {
	changed, seen, err := t.followLog(limit)
	if err != nil {
		return 0, false, err
	}
	for _, job := range changed {
		n, err := t.lookAtJob(job, at)
		if err != nil {
			return 0, false, err
		}
		wanted += n
	}
	if seen == limit {
		return wanted, true, nil
	}
	n, more, err := t.lookBack(at, limit-seen)
	return wanted + n, more, err
}

// followLog moves the cursor over at most limit events, and returns their jobs and
// the number of events.
func (t *tx) followLog(limit int) (changed []int64, seen int, err error) {
	var place int64
	err = t.get([]any{&place}, `SELECT place FROM readers WHERE name = ?`, filesReader)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	isKnown := map[int64]bool{}
	err = t.each(func(row scanner) error {
		var job sql.NullInt64
		err := row.Scan(&place, &job)
		if job.Valid && !isKnown[job.Int64] {
			isKnown[job.Int64] = true
			changed = append(changed, job.Int64)
		}
		seen++
		return err
	}, `SELECT seq, job_seq FROM events WHERE seq > ? ORDER BY seq LIMIT +?`, place, limit)
	if err == nil && seen < limit {
		err = t.get([]any{&place}, newestEvent) // events after place can have been pruned
	}
	if err == nil {
		_, err = t.exec(`UPDATE readers SET place = ? WHERE name = ?`, place, filesReader)
	}
	return changed, seen, err
}

// lookBack looks at the next jobs of an order that has not looked at all jobs.
func (t *tx) lookBack(at time.Time, limit int) (wanted int, more bool, err error) {
	var batch, place int64
	err = t.get([]any{&batch, &place}, `SELECT batch_seq, looked_to FROM download_orders WHERE complete = 0 ORDER BY batch_seq LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	last := int64(maxSeq)
	if batch > 0 {
		place, last = max(place, rowSeq(batch, 0)), rowSeq(batch, maxRow)
	}
	var done []int64
	seen := 0
	err = t.each(func(row scanner) error {
		var state jobs.State
		err := row.Scan(&place, &state)
		if state == jobs.Done {
			done = append(done, place)
		}
		seen++
		return err
	}, `SELECT seq, state FROM jobs WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT +?`, place, last, limit)
	if err != nil {
		return 0, false, err
	}
	for _, job := range done {
		n, err := t.lookAtJob(job, at)
		if err != nil {
			return 0, false, err
		}
		wanted += n
	}
	_, err = t.exec(`UPDATE download_orders SET looked_to = ?, complete = ? WHERE batch_seq = ?`, place, seen < limit, batch)
	return wanted, true, err
}

// wantFile records a file, or its next version if the job has another screenshot
// or the order another folder. The claim of the earlier version lasts, because its
// owner might be about to save a file of the same name. In another folder the
// earlier version stays.
const wantFile = `INSERT INTO files (job_seq, output, shot, attempt, screenshot, folder, state, wake_at)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'wanted', ?7)
	ON CONFLICT (job_seq, output, shot) DO UPDATE SET attempt = excluded.attempt, screenshot = excluded.screenshot,
		name = CASE folder WHEN excluded.folder THEN name ELSE '' END, folded = CASE folder WHEN excluded.folder THEN folded ELSE '' END,
		folder = excluded.folder, wake_at = CASE state WHEN 'wanted' THEN max(wake_at, excluded.wake_at) ELSE excluded.wake_at END,
		old_name = CASE WHEN folder <> excluded.folder THEN '' WHEN ` + isOurs + ` THEN name ELSE old_name END,
		old_folded = CASE WHEN folder <> excluded.folder THEN '' WHEN ` + isOurs + ` THEN folded ELSE old_folded END,
		old_size = CASE WHEN ` + isOurs + ` THEN size ELSE old_size END, old_saved_at = CASE WHEN ` + isOurs + ` THEN saved_at ELSE old_saved_at END,
		state = 'wanted', size = 0, type = '', error = '', tries = 0, saved_at = NULL
	WHERE screenshot <> excluded.screenshot OR folder <> excluded.folder`

// isOurs is true if a file was saved, and did not exist before.
const isOurs = `state = 'saved' AND saved_at IS NOT NULL`

// The files of a job that is not done stay recorded if they are on disk, for the
// next version. Those that are not saved become the earlier version again, of no
// screenshot.
const (
	forgetFiles = `DELETE FROM files WHERE job_seq = ? AND state <> 'saved' AND old_name = ''`
	keepOld     = `UPDATE OR IGNORE files SET state = 'saved', screenshot = '', error = '', name = old_name, folded = old_folded, size = old_size,
		saved_at = old_saved_at, ` + clearOld + ` WHERE job_seq = ? AND state <> 'saved'`
	clearOld = `old_name = '', old_folded = '', old_size = 0, old_saved_at = NULL`
)

// orderOf selects the order of a batch, or that of all batches.
const orderOf = `SELECT folder, outputs FROM download_orders WHERE batch_seq IN (?, 0) ORDER BY batch_seq DESC LIMIT 1`

// lookAtJob records the files that a job has now, and returns how many of them
// have to be fetched.
func (t *tx) lookAtJob(seq int64, at time.Time) (wanted int, err error) {
	var job jobRow
	if err := t.each(job.scanAny, selectJobs+`WHERE jobs.seq = ?`, seq); err != nil {
		return 0, err
	}
	if job.job.State != jobs.Done || job.job.ScreenshotID == "" {
		_, err := t.exec(forgetFiles, seq)
		if err == nil {
			_, err = t.exec(keepOld, seq)
		}
		return 0, err
	}
	batch, _ := splitSeq(seq)
	var folder string
	var outputs, encoded sql.NullString
	err = t.get([]any{&folder, &outputs}, orderOf, batch)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err == nil {
		err = t.get([]any{&encoded}, `SELECT params FROM batches WHERE seq = ?`, batch)
	}
	var params jobs.Params
	var only []jobs.Output
	if err = errors.Join(err, fromJSON(outputs, &only), fromJSON(encoded, &params)); err != nil {
		return 0, err
	}
	for _, f := range jobs.WantedFiles(job.job, params, only) {
		n, err := t.exec(wantFile, seq, string(f.Output), f.Shot, f.Attempt, f.Screenshot, folder, at.UnixMilli())
		if err != nil {
			return 0, err
		}
		wanted += int(n)
	}
	return wanted, nil
}

// FilesOf implements jobs.Files.
func (s *Store) FilesOf(ctx context.Context, batch string, after, last int64) (files []jobs.File, err error) {
	defer func() { err = wrapError(err, "files of batch %s", batch) }()
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(row scanner) error {
		f, _, err := scanFile(row)
		f.Job.Batch = batch
		files = append(files, f)
		return err
	}, filesBetween, rowSeq(seq, max(after, 0)), rowSeq(seq, min(max(last, 0), maxRow)))
	slices.SortStableFunc(files, func(a, b jobs.File) int {
		if a.Job.Row != b.Job.Row {
			return int(a.Job.Row - b.Job.Row)
		}
		return slices.Index(jobs.Outputs, a.Output) - slices.Index(jobs.Outputs, b.Output)
	})
	return files, err
}

// Files of a screenshot that the job no longer has are not selected.
const (
	ofPresentJob = ` JOIN jobs ON jobs.seq = files.job_seq AND jobs.state = 'done' AND jobs.screenshot_id = files.screenshot`
	filesBetween = `SELECT ` + fileColumns + ` FROM files` + ofPresentJob + `
		WHERE files.job_seq > ? AND files.job_seq <= ? ORDER BY files.job_seq, output, shot`
	countFiles = `SELECT files.state, count(*), sum(size) FROM files` + ofPresentJob + `
		WHERE files.job_seq > ? AND files.job_seq <= ? GROUP BY files.state`
)

// CountFiles implements jobs.Files.
func (s *Store) CountFiles(ctx context.Context, batch string) (counts jobs.FileCounts, err error) {
	defer func() { err = wrapError(err, "count files of batch %s", batch) }()
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return counts, err
	}
	return counts, s.read(ctx, func(row scanner) error {
		var state jobs.FileState
		var n, size int64
		err := row.Scan(&state, &n, &size)
		switch state {
		case jobs.FileWanted:
			counts.Wanted = n
		case jobs.FileSaved:
			counts.Saved, counts.Bytes = n, size
		case jobs.FileGone:
			counts.Gone = n
		case jobs.FileFailed:
			counts.Failed = n
		}
		return err
	}, countFiles, rowSeq(seq, 0), rowSeq(seq, maxRow))
}
