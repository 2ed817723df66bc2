package sqlite

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// recordFile records a saved file, unless an order has another folder or the job
// has another screenshot.
const recordFile = `INSERT INTO files (job_seq, output, shot, attempt, screenshot, folder, name, folded, state, size, type, saved_at)
	SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'saved', ?9, ?10, ?11
	WHERE EXISTS (SELECT 1 FROM jobs WHERE seq = ?1 AND state = 'done' AND screenshot_id = ?5)
		AND coalesce((SELECT folder FROM download_orders WHERE batch_seq IN (?1 >> 32, 0) ORDER BY batch_seq DESC LIMIT 1), ?6) = ?6
	ON CONFLICT (job_seq, output, shot) DO UPDATE SET attempt = excluded.attempt, screenshot = excluded.screenshot, folder = excluded.folder,
		name = excluded.name, folded = excluded.folded, state = 'saved', size = excluded.size, type = excluded.type, error = '', tries = 0,
		wake_at = NULL, saved_at = excluded.saved_at, ` + clearOld

// The records that another file has the name of a recorded one. That file was
// replaced.
const (
	wantReplaced = `UPDATE files SET state = 'wanted', name = '', folded = '', size = 0, type = '', tries = 0, wake_at = ?6, saved_at = NULL
		WHERE folder = ?1 AND folded = ?2 AND folded <> '' AND (job_seq, output, shot) <> (?3, ?4, ?5)`
	forgetReplaced = `UPDATE files SET ` + clearOld + ` WHERE folder = ?1 AND old_folded = ?2 AND old_folded <> ''
		AND (job_seq, output, shot) <> (?3, ?4, ?5)`
)

// RecordFiles implements jobs.Files.
func (s *Store) RecordFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	for _, f := range files {
		if f.State != jobs.FileSaved || f.Name == "" || f.Folder == "" {
			return fmt.Errorf("record a file of %s: %w: it is not saved", f.Job, jobs.ErrInvalid)
		}
	}
	if len(files) == 0 {
		return nil
	}
	err := s.writeAlone(ctx, func(t *tx) error {
		replaced := int64(0)
		for _, f := range files {
			n, err := t.recordFile(f, at)
			if err != nil {
				return err
			}
			replaced += n
		}
		if replaced == 0 {
			return nil
		}
		_, err := t.exec(forgetUnordered)
		return err
	})
	return wrapError(err, "record %s", number.Of(len(files), "file"))
}

// recordFile returns the number of records that had the name.
func (t *tx) recordFile(f jobs.File, at time.Time) (replaced int64, err error) {
	seq, err := t.jobSeq(f.Job)
	if err != nil {
		return 0, err
	}
	folded := jobs.FoldName(f.Name)
	key := []any{f.Folder, folded, seq, string(f.Output), f.Shot}
	if replaced, err = t.exec(wantReplaced, append(key, at.UnixMilli())...); err != nil {
		return 0, err
	}
	if _, err := t.exec(forgetReplaced, key...); err != nil {
		return 0, err
	}
	_, err = t.exec(recordFile, seq, string(f.Output), f.Shot, f.Attempt, f.Screenshot, f.Folder, f.Name, folded, f.Size, f.Type, millis(f.SavedAt))
	return replaced, err
}
