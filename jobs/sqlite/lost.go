package sqlite

import (
	"context"
	"database/sql"
	"time"

	"shotline/jobs"
)

// lostCreates uses the index submissions_lost. ?1 and ?2 are the submission after
// which the page begins.
const lostCreates = `SELECT s.job_seq, s.attempt, s.screenshot_id, s.intent_at, s.sends, b.id
	FROM submissions s CROSS JOIN batches b ON b.seq = s.job_seq >> 32
	WHERE s.lost_at IS NOT NULL AND s.job_seq >= ?1 AND (s.job_seq > ?1 OR s.attempt > ?2)
	AND b.state = 'finished' AND b.finished_at >= ?3
	AND s.sends > (SELECT count(*) FROM submissions x WHERE x.job_seq = s.job_seq AND x.attempt = s.attempt AND x.screenshot_id IS NOT NULL)
	ORDER BY s.job_seq, s.attempt LIMIT ?4`

// LostCreates implements jobs.Reader.
func (s *Store) LostCreates(ctx context.Context, since time.Time, after jobs.Submission, limit int) ([]jobs.Submission, error) {
	var page []jobs.Submission
	err := s.look(ctx, func(v view) error {
		var begin int64
		if !after.Job.IsZero() {
			seq, err := v.batchPlace(after.Job.Batch)
			if err != nil {
				return err
			}
			begin = rowSeq(seq, after.Job.Row)
		}
		return v.each(func(row scanner) error {
			var seq int64
			var sub jobs.Submission
			var screenshot sql.NullString
			var intent sql.NullInt64
			err := row.Scan(&seq, &sub.Attempt, &screenshot, &intent, &sub.Sends, &sub.Job.Batch)
			_, sub.Job.Row = splitSeq(seq)
			sub.ScreenshotID, sub.IntentAt = screenshot.String, fromMillis(intent)
			page = append(page, sub)
			return err
		}, lostCreates, begin, after.Attempt, before(since), pageSize(limit, maxPage))
	})
	return page, wrapError(err, "list lost creates")
}
