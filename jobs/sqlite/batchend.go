package sqlite

import (
	"strings"
	"time"

	"shotline/jobs"
)

// countClosings adds the changes in closing to the counters of their batches.
var countClosings = countClosingsQuery()

func countClosingsQuery() string {
	var sets, sums []string
	add := func(column, sum string) {
		sets = append(sets, column+" = batches."+column+" + d."+column)
		sums = append(sums, sum+" AS "+column)
	}
	for _, state := range jobs.States {
		if state == jobs.Duplicate || state == jobs.Rejected {
			continue // no job leaves or reaches this state by a close
		}
		add(string(state), "sum(to_state = '"+string(state)+"') - sum(from_state = '"+string(state)+"')")
	}
	for _, by := range jobs.Provenances {
		add("by_"+string(by), "sum(closed_by = '"+string(by)+"') - sum(was_by = '"+string(by)+"')")
	}
	add("late", "sum(late) - sum(was_late)")
	// A retry queues the job, which then no longer counts as corrected.
	add("corrected", "sum(to_state <> 'queued' AND (correction OR was_corrected)) - sum(was_corrected)")
	return "UPDATE batches SET " + strings.Join(sets, ", ") +
		" FROM (SELECT job_seq >> 32 AS batch_seq, " + strings.Join(sums, ", ") +
		" FROM closing GROUP BY 1) d WHERE batches.seq = d.batch_seq"
}

// reviseBatches raises the revision of finished batches that have a late result
// or a correction in closing. It must run before finishBatches, because batches
// that finish in this transaction are not revised. Several late results and
// corrections in one transaction make one revision.
const reviseBatches = `UPDATE batches SET revision = revision + 1, wake_at = 0
	WHERE state = 'finished' AND seq IN (SELECT DISTINCT job_seq >> 32 FROM closing WHERE late OR correction)
	RETURNING seq, id, revision`

// finishBatches finishes batches without an open job. Their summary is due at
// once.
const finishBatches = `UPDATE batches SET state = 'finished', pause_reason = '', finished_at = ?1, revision = revision + 1, wake_at = 0
	WHERE state IN ('open', 'paused') AND queued = 0 AND submitting = 0 AND pending = 0 AND seq `

type batchEnd struct {
	seq      int64
	id       string
	revision int
}

// endBatches revises and finishes the batches of the jobs in closing. It returns
// the ids of all these batches by place.
func (t *tx) endBatches(at time.Time, effects *jobs.Effects) (map[int64]string, error) {
	ids := make(map[int64]string)
	err := t.each(func(row scanner) error {
		var seq int64
		var id string
		err := row.Scan(&seq, &id)
		ids[seq] = id
		return err
	}, `SELECT seq, id FROM batches WHERE seq IN (SELECT DISTINCT job_seq >> 32 FROM closing)`)
	if err != nil {
		return nil, err
	}
	revised, err := t.markBatches(jobs.EventBatchRevised, at, reviseBatches)
	if err != nil {
		return nil, err
	}
	finished, err := t.markBatches(jobs.EventBatchFinished, at,
		finishBatches+`IN (SELECT DISTINCT job_seq >> 32 FROM closing) RETURNING seq, id, revision`, at.UnixMilli())
	if err != nil {
		return nil, err
	}
	effects.Revised = append(effects.Revised, revised...)
	effects.Finished = append(effects.Finished, finished...)
	return ids, nil
}

// finishBatch finishes one batch if it has no open job.
func (t *tx) finishBatch(seq int64, at time.Time) (finished []string, err error) {
	return t.markBatches(jobs.EventBatchFinished, at, finishBatches+`= ?2 RETURNING seq, id, revision`, at.UnixMilli(), seq)
}

// markBatches runs an update of batches and logs an event for each updated batch.
// It returns their ids.
func (t *tx) markBatches(event jobs.EventType, at time.Time, query string, args ...any) (ids []string, err error) {
	var ends []batchEnd
	err = t.each(func(row scanner) error {
		var end batchEnd
		err := row.Scan(&end.seq, &end.id, &end.revision)
		ends = append(ends, end)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		_, err := t.exec(`INSERT INTO events (at, type, batch_seq, revision) VALUES (?, ?, ?, ?)`,
			at.UnixMilli(), string(event), end.seq, end.revision)
		if err != nil {
			return nil, err
		}
		ids = append(ids, end.id)
	}
	return ids, nil
}
