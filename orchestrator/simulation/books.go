package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"shotline/jobs"
)

// books are the simulation's own account. They read the file with SQL of their
// own, and compare it with what clerk, vendor and courier know.
type books struct {
	w       *world
	db      *sql.DB
	conn    *sql.Conn
	version int64
	// prepared are the queries asked so far: some are asked at every move.
	prepared map[string]*sql.Stmt

	jobs    map[int64]jobEntry // as last seen, by place
	batches map[int64]string   // ids that were seen open, by place

	cursor, newest int64 // of the inbox, as last seen

	mu       sync.Mutex
	refusals map[string]bool // submissions that the vendor refused
	canceled map[string]bool // jobs and batches that somebody asked to cancel
	retried  map[string]bool // and to retry
}

// jobEntry is a row of the jobs table as far as the promises need it.
type jobEntry struct {
	seq        int64
	batch      string
	state      jobs.State
	attempt    int
	late       bool
	corrected  bool
	by         string
	screenshot string
	closedAt   int64
	url        string
}

func (j jobEntry) row() int64   { return j.seq & 0xffffffff }
func (j jobEntry) name() string { return fmt.Sprintf("%s-%d", j.batch, j.row()) }

// tag is that of one of the job's submissions.
func (j jobEntry) tag(attempt int) string {
	return fmt.Sprintf("shotline-%s-%d-%d", j.batch, j.row(), attempt)
}

func (j jobEntry) final() bool {
	return !slices.Contains([]jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, j.state)
}

func newBooks(w *world) *books {
	b := &books{w: w, prepared: map[string]*sql.Stmt{}, jobs: map[int64]jobEntry{}, batches: map[int64]string{}, refusals: map[string]bool{},
		canceled: map[string]bool{}, retried: map[string]bool{}}
	var err error
	if b.db, err = sql.Open("sqlite3", "file:"+w.path+"?mode=ro&_query_only=on"); err == nil {
		b.conn, err = b.db.Conn(context.Background())
	}
	if err != nil {
		panic(err)
	}
	return b
}

func (b *books) close() {
	for _, stmt := range b.prepared {
		if err := stmt.Close(); err != nil {
			panic(err)
		}
	}
	if err := errors.Join(b.conn.Close(), b.db.Close()); err != nil {
		panic(err)
	}
}

// each runs a query and calls visit for its rows.
func (b *books) each(visit func(scan func(...any)), query string, args ...any) {
	stmt := b.prepared[query]
	if stmt == nil {
		var err error
		if stmt, err = b.conn.PrepareContext(context.Background(), query); err != nil {
			panic(err)
		}
		b.prepared[query] = stmt
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	for rows.Next() {
		visit(func(dest ...any) {
			if err := rows.Scan(dest...); err != nil {
				panic(err)
			}
		})
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
}

func (b *books) number(query string, args ...any) (n int64) {
	b.each(func(scan func(...any)) { scan(&n) }, query, args...)
	return n
}

func (b *books) text(query string, args ...any) (s string) {
	b.each(func(scan func(...any)) { scan(&s) }, query, args...)
	return s
}

// imported reports whether a batch's import had come to its end.
func (b *books) imported(batch string) bool {
	return b.number(`SELECT count(*) FROM batches WHERE id = ? AND state <> 'importing'`, batch) > 0
}

// look compares what has changed since the last look: no job may go where it
// must not, at any time.
func (b *books) look() {
	version := b.number(`PRAGMA data_version`)
	if version == b.version {
		return
	}
	b.version = version
	now := map[int64]jobEntry{}
	b.each(func(scan func(...any)) {
		var j jobEntry
		scan(&j.seq, &j.batch, &j.state, &j.attempt, &j.late, &j.corrected, &j.by, &j.screenshot, &j.closedAt, &j.url)
		now[j.seq] = j
		if before, known := b.jobs[j.seq]; known {
			b.compare(before, j)
		}
	}, `SELECT j.seq, b.id, j.state, j.attempt, j.late, j.corrected, j.closed_by, j.screenshot_id, coalesce(j.closed_at, 0), j.url
		FROM jobs j JOIN batches b ON b.seq = j.seq >> 32 ORDER BY j.seq`)
	for seq, before := range b.jobs {
		if _, there := now[seq]; !there && b.batches[seq>>32] != "" {
			b.w.fail("P1", "job %s has vanished", before.name())
		}
	}
	b.jobs = now
	b.cursor = b.number(`SELECT place FROM cursors WHERE name = 'inbox'`)
	b.newest = b.number(`SELECT coalesce(max(seq), 0) FROM inbox`)
	b.each(func(scan func(...any)) {
		var seq int64
		var id string
		scan(&seq, &id)
		b.batches[seq] = id
	}, `SELECT seq, id FROM batches WHERE state <> 'importing'`)
}

// steps are the ways a job may go; ends have none, but for what compare knows.
var steps = map[jobs.State][]jobs.State{
	jobs.Queued:     {jobs.Submitting, jobs.Pending, jobs.Done, jobs.Failed, jobs.Canceled, jobs.Duplicate},
	jobs.Submitting: {jobs.Queued, jobs.Pending, jobs.Done, jobs.Failed, jobs.Canceled},
	jobs.Pending:    {jobs.Done, jobs.Failed, jobs.TimedOut, jobs.Canceled},
}

func (b *books) compare(before, after jobEntry) {
	fail := func(what string) {
		b.w.fail("P1", "job %s %s: %s %d (%s, late %v, %q) became %s %d (%s, late %v, %q)", after.name(), what,
			before.state, before.attempt, before.by, before.late, before.screenshot,
			after.state, after.attempt, after.by, after.late, after.screenshot)
	}
	retriable := before.state == jobs.Failed || before.state == jobs.TimedOut || before.state == jobs.Canceled
	// The picture of an older attempt may come after a late failure, too.
	lateDone := after.state == jobs.Done && after.late && (!before.late || before.state == jobs.Failed)
	if after.corrected && !before.corrected && !b.borneOut(after) {
		fail("was corrected to what the vendor does not say")
	}
	// Two commits may lie between two looks.
	corrected := after.corrected && (!before.corrected || before.attempt > 1) && before.attempt == after.attempt
	if before.state == jobs.Pending && after.by == string(jobs.ByPoll) && !after.corrected && b.waiting(after.screenshot) > 0 {
		b.w.fail("P2", "job %s was closed by poll while a webhook of its screenshot %s waited in the inbox", after.name(), after.screenshot)
	}
	switch {
	case after.state == jobs.Canceled && before.state != jobs.Canceled && !b.wasAsked(b.canceled, after):
		fail("was canceled, which nobody asked for")
	case after.attempt < before.attempt:
		fail("went back to an older attempt")
	case after.attempt > before.attempt && before.attempt > 0:
		if !retriable || after.attempt != before.attempt+1 || after.state != jobs.Queued || !b.wasAsked(b.retried, after) {
			fail("began an attempt that it must not")
		}
	case before.attempt > 0 && before.screenshot != "" && after.screenshot != before.screenshot && !(lateDone && before.attempt > 1) && !corrected:
		fail("changed its screenshot")
	case corrected && (before.state == jobs.Done || before.state == jobs.Failed || before.state == jobs.TimedOut):
	case before.state == after.state && before.final() && before != after && before.screenshot == after.screenshot:
		fail("changed after its end")
	case before.state == after.state:
	case before.state == jobs.TimedOut && !before.late && after.late && (after.state == jobs.Done || after.state == jobs.Failed):
	case before.state == jobs.Failed && (before.attempt > 1 || before.by == string(jobs.BySubmit)) && lateDone:
	case before.state == jobs.Canceled && b.wasAsked(b.retried, after) && (lateDone ||
		after.state == jobs.Pending && after.screenshot != "" && after.screenshot == before.screenshot):
	case before.state == jobs.Canceled && before.attempt == 0 && after.state == jobs.Queued && b.wasAsked(b.retried, after):
	case before.final() || !slices.Contains(steps[before.state], after.state):
		fail("took a step that there is not")
	}
}

// misjudged are the jobs that failed although their screenshot did not, in order.
func (b *books) misjudged() (found []jobs.ID) {
	for _, seq := range slices.Sorted(maps.Keys(b.jobs)) {
		j := b.jobs[seq]
		if s := b.w.vendor.byID(j.screenshot); j.state == jobs.Failed && s != nil && !s.failed {
			found = append(found, jobs.ID{Batch: j.batch, Row: j.row()})
		}
	}
	return found
}

// borneOut reports whether a job was corrected to what its screenshot is. What it
// lost may have been the picture of an older attempt.
func (b *books) borneOut(j jobEntry) bool {
	s := b.w.vendor.byID(j.screenshot)
	if j.state != jobs.Done && j.attempt > 1 {
		return true
	}
	if j.late && j.attempt > 1 && s != nil && b.told(s, true, string(jobs.ByWebhook)) {
		return true // another attempt's picture, whose own result may be false, too
	}
	return s != nil && s.ended(time.Now()) && s.failed == (j.state != jobs.Done)
}

// waiting counts the results of a screenshot that were kept and not applied at
// the last look.
func (b *books) waiting(screenshot string) int64 {
	return b.number(`SELECT count(*) FROM inbox WHERE screenshot_id = ? AND outcome IN ('done', 'failed') AND seq > ? AND seq <= ?`,
		screenshot, b.cursor, b.newest)
}

// sent is called when a create takes effect, or may: its intent has to be on
// disk, and its lease to last.
func (b *books) sent(_ context.Context, tag string) {
	var state string
	var until, intent sql.NullInt64
	batch, row, attempt := parts(tag)
	b.each(func(scan func(...any)) { scan(&state, &until, &intent) }, `
		SELECT j.state, j.lease_until, s.intent_at FROM jobs j JOIN batches b ON b.seq = j.seq >> 32
		LEFT JOIN submissions s ON s.job_seq = j.seq AND s.attempt = ? AND s.extra = 0
		WHERE b.id = ? AND j.seq & 4294967295 = ?`, attempt, batch, row)
	b.paidBefore(batch, row, attempt, tag)
	if state != "submitting" || !intent.Valid || until.Int64 <= time.Now().UnixMilli() {
		b.w.fail("P3", "create of %s was sent while its job is %s, lease until %d of now %d, intent %v",
			tag, state, until.Int64, time.Now().UnixMilli(), intent.Valid)
	}
}

// paidBefore fails for a create that pays again for what a canceled attempt has
// paid for: the vendor knew that the screenshot was done before it was canceled, or
// was still working on it in its time when the job was retried.
func (b *books) paidBefore(batch string, row, attempt int, tag string) {
	var screenshot string
	var timeout sql.NullInt64
	var canceled, retried int64
	var intent sql.NullInt64
	b.each(func(scan func(...any)) { scan(&screenshot, &intent, &timeout, &canceled, &retried) }, `SELECT s.screenshot_id, coalesce(s.intent_at, s.lost_at),
		(SELECT coalesce(nullif(j.timeout_ms, 0), nullif(b.job_timeout_ms, 0)) FROM jobs j WHERE j.seq = s.job_seq),
		(SELECT e.at FROM events e WHERE e.job_seq = s.job_seq AND e.type = 'job.canceled' AND e.attempt = s.attempt AND e.seq < r.seq ORDER BY e.seq DESC LIMIT 1),
		r.at FROM batches b CROSS JOIN submissions s ON s.job_seq = b.seq << 32 | ? AND s.attempt = ? AND s.extra = 0 AND s.screenshot_id IS NOT NULL
		CROSS JOIN events r ON r.job_seq = s.job_seq AND r.type = 'job.retried' AND r.attempt = s.attempt + 1
		WHERE b.id = ? AND (SELECT e.type FROM events e WHERE e.job_seq = s.job_seq AND e.seq < r.seq ORDER BY e.seq DESC LIMIT 1) = 'job.canceled'`,
		row, attempt-1, batch)
	s := b.w.vendor.byID(screenshot)
	if s == nil || s.hidden {
		return
	}
	patience := jobTimeout
	if timeout.Valid {
		patience = time.Duration(timeout.Int64) * time.Millisecond
	}
	// An adopted screenshot counts from its intent, which may take its time to commit.
	from := s.at
	if at := time.UnixMilli(intent.Int64); intent.Valid && at.Before(from) {
		from = at
	}
	asked, end := time.UnixMilli(retried), from.Add(patience+deadlineGrace)
	switch {
	case s.ended(time.UnixMilli(canceled)) && !s.failed:
		b.w.fail("P3", "create of %s was sent although screenshot %s, which was canceled, is done", tag, s.id)
	case !s.ended(asked) && asked.Before(end):
		b.w.fail("P3", "create of %s was sent although screenshot %s, which was canceled, is on its way", tag, s.id)
	}
}

// parts reads a submission's tag.
func parts(tag string) (batch string, row, attempt int) {
	if _, err := fmt.Sscanf(strings.ReplaceAll(tag, "-", " "), "shotline %s %d %d", &batch, &row, &attempt); err != nil {
		panic(err)
	}
	return batch, row, attempt
}

// charged is called when a create took effect: once for each submission, but for
// those whose screenshot nobody could find.
func (b *books) charged(made *shot, tag string) {
	if made.tag != tag {
		return // from the cache, at no cost
	}
	b.w.vendor.mu.Lock()
	defer b.w.vendor.mu.Unlock()
	paid := 0
	for _, s := range b.w.vendor.shots {
		if s.tag == tag && (s == made || !s.hidden) {
			paid++
		}
	}
	if paid > 1 {
		b.w.fail("P3", "submission %s was paid for %d times", tag, paid)
	}
}

// asked notes that somebody gave a command about a job, or its whole batch.
func (b *books) asked(list map[string]bool, id jobs.ID, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole {
		list[id.Batch] = true
	} else {
		list[id.String()] = true
	}
}

func (b *books) wasAsked(list map[string]bool, j jobEntry) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return list[j.batch] || list[j.name()]
}

func (b *books) refused(tag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusals[tag] = true
}

// room is what was held when a webhook was sent: so many, up to a place.
type room struct{ held, upTo int64 }

func (b *books) room() (r room) {
	b.each(func(scan func(...any)) { scan(&r.held, &r.upTo) }, `SELECT count(*), coalesce(max(seq), 0) FROM inbox WHERE disposition = 'held'`)
	return r
}

// overfull reports whether a webhook was kept although all the time before as many
// deliveries were held as may be, and its screenshot was not known. What is held
// only leaves: a place is not held again.
func (b *books) overfull(p *post) bool {
	return p.shot != nil && p.room.held >= mostHeld && !b.ours(p.shot) &&
		b.number(`SELECT count(*) FROM inbox WHERE disposition = 'held' AND seq <= ?`, p.room.upTo) >= mostHeld
}

// disowned is called when held deliveries are about to be let go: those of a
// create of ours must not be among them.
func (b *books) disowned(screenshots []string) {
	for _, id := range screenshots {
		s := b.w.vendor.byID(id)
		if s != nil && len(s.owners()) > 0 && b.number(`SELECT count(*) FROM inbox WHERE disposition = 'held' AND screenshot_id = ?`, id) > 0 {
			b.w.fail("P2", "a held delivery of screenshot %s of %v is disowned", id, s.owners())
		}
	}
}

// answered is called when a webhook was answered: at that moment it is kept,
// or it is not.
func (b *books) answered(p *post, status int) {
	kept := b.number(`SELECT count(*) FROM inbox WHERE body = ?`, p.body)
	switch {
	case p.mark != signed && status != 0 && status != 401:
		b.w.fail("P4", "webhook %d with a bad signature was answered %d", p.n, status)
	case p.mark != signed && kept > 0:
		b.w.fail("P4", "webhook %d with a bad signature was kept", p.n)
	case status == 200 && p.mark == signed && b.overfull(p):
		b.w.fail("P9", "webhook %d of %s was kept although %d were held", p.n, p.shot.id, p.room.held)
	case status == 200 && kept == 0:
		b.w.fail("P2", "webhook %d was answered 200 and is not kept", p.n)
	case p.mark == signed && status != 200 && status != 503 && status != 0:
		b.w.fail("P2", "webhook %d was answered %d", p.n, status)
	}
}

// failed judges an error of an activity that began in the calm: there is no
// reason for one, but for commands that came at the wrong moment.
func (b *books) failed(name string, err error) {
	if !errors.Is(err, jobs.ErrState) && !errors.Is(err, jobs.ErrNotFound) {
		b.w.fail("P8", "%s fails without a cause: %v", name, err)
	}
}
