package simulation

import (
	"cmp"
	"slices"
	"strings"

	"shotline/jobs"
)

// auditLog: one event for each end, one summary for each revision.
func (b *books) auditLog() {
	for _, j := range b.jobs {
		if j.state != jobs.Duplicate && j.state != jobs.Rejected {
			b.auditHistory(j)
		}
	}
	b.each(func(scan func(...any)) {
		var id string
		var revision, summarized, ends, summaries int
		scan(&id, &revision, &summarized, &ends, &summaries)
		if ends != revision || summarized != revision || summaries < 1 || summaries > revision {
			b.w.fail("P5", "batch %s has revision %d, %d events of it, %d summaries up to %d", id, revision, ends, summaries, summarized)
		}
	}, `SELECT id, revision, summarized, (SELECT count(*) FROM events WHERE batch_seq = b.seq AND job_seq IS NULL AND type <> 'batch.paused'),
		(SELECT count(*) FROM summaries WHERE batch_seq = b.seq) FROM batches b WHERE state <> 'importing'`)
	b.auditSummaries()
	if n := b.number(`SELECT count(*) FROM batches b WHERE state = 'finished' AND NOT EXISTS
		(SELECT 1 FROM summaries s WHERE s.batch_seq = b.seq AND s.revision = b.revision)`); n > 0 {
		b.w.fail("P5", "%d batches lack the summary of their newest revision", n)
	}
}

// auditSummaries: each tells of a batch that had ended, and the newest what its
// rows say.
func (b *books) auditSummaries() {
	b.each(func(scan func(...any)) {
		var id, state string
		var revision, rows, told, open, done, saysDone int
		scan(&id, &revision, &state, &rows, &told, &open, &done, &saysDone)
		if state != string(jobs.BatchFinished) || told != rows || open > 0 || saysDone != done {
			b.w.fail("P5", "summary %d of batch %s tells of a batch that is %s, %d rows of %d, %d of them open, %d done of %d",
				revision, id, state, told, rows, open, saysDone, done)
		}
	}, `SELECT b.id, s.revision, s.data ->> 'state', b.rows, s.data ->> 'rows', (s.data ->> 'queued') + (s.data ->> 'submitting') + (s.data ->> 'pending'),
		CASE s.revision WHEN b.revision THEN b.done ELSE s.data ->> 'done' END, s.data ->> 'done'
		FROM summaries s JOIN batches b ON b.seq = s.batch_seq`)
}

// auditHistory: each attempt ended once, perhaps to be put right by a late
// result, or by a correction for each screenshot; the last end is the one that
// the job shows.
func (b *books) auditHistory(j jobEntry) {
	var ends [][]string
	var last []string
	begun, attempt := 0, 0 // attempts that a retry began
	var state string       // that the last event tells of
	b.each(func(scan func(...any)) {
		var kind string
		var of int
		if scan(&kind, &of, &state); kind == "job.retried" {
			ends, last = append(ends, last), nil
			if of > attempt { // else it waits again for the screenshot it had
				begun++
			}
			attempt = of
			return
		}
		attempt = max(attempt, of)
		last = append(last, strings.TrimPrefix(kind, "job."))
		state = cmp.Or(state, last[len(last)-1])
	}, `SELECT type, attempt, state FROM events WHERE job_seq = ? ORDER BY seq`, j.seq)
	ends = append(ends, last)
	corrections := 0
	for i, end := range ends {
		newest := i == len(ends)-1
		corrected := slices.Contains(end, "corrected")
		for _, kind := range end {
			if kind == "corrected" {
				corrections++
			}
		}
		ok := len(end) == 1 || len(end) == 2 && end[0] != "late" && end[1] == "late" ||
			i > 0 && slices.Equal(end, []string{"timed_out", "late", "late"}) // a failure, then an older attempt's picture
		if corrected {
			ok = end[0] != "corrected" && corrections <= j.attempt
			for _, kind := range end[1:] {
				ok = ok && (kind == "late" || kind == "corrected")
			}
		}
		if newest {
			ok = ok && state == string(j.state) && corrected == j.corrected && (corrected || (end[len(end)-1] == "late") == j.late)
		}
		if !ok || j.attempt < begun { // one that was canceled unsent is retried as its first
			b.w.fail("P1", "job %s is %s, late %v, attempt %d, with the history %v", j.name(), j.state, j.late, j.attempt, ends)
			return
		}
	}
}
