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

// checker checks the promises during a run. It reads the file with its own SQL,
// and compares it with the records of operator, vendor and webhookSender.
type checker struct {
	w       *world
	db      *sql.DB
	conn    *sql.Conn
	version int64
	// prepared holds a statement for each query, because some queries run at every
	// move.
	prepared map[string]*sql.Stmt

	jobs    map[int64]jobEntry // by seq, as last read
	batches map[int64]string   // ids of batches that have been open, by seq

	inboxCursor, newestDelivery int64 // of the inbox, as last read

	mu       sync.Mutex
	refusals map[string]bool // tags of submissions that the vendor refused
	canceled map[string]bool // jobs and batches with a cancel command
	retried  map[string]bool // jobs and batches with a retry command
	amended  map[string]bool // rows with a command that corrects them
}

// jobEntry holds the columns of a job that the checks need.
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

// tag returns the tag of the job's submission in an attempt.
func (j jobEntry) tag(attempt int) string {
	return fmt.Sprintf("shotline-%s-%d-%d", j.batch, j.row(), attempt)
}

func (j jobEntry) final() bool {
	return !slices.Contains([]jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, j.state)
}

func newChecker(w *world) *checker {
	c := &checker{w: w, prepared: map[string]*sql.Stmt{}, jobs: map[int64]jobEntry{}, batches: map[int64]string{}, refusals: map[string]bool{},
		canceled: map[string]bool{}, retried: map[string]bool{}, amended: map[string]bool{}}
	var err error
	if c.db, err = sql.Open("sqlite3", "file:"+w.path+"?mode=ro&_query_only=on"); err == nil {
		c.conn, err = c.db.Conn(context.Background())
	}
	if err != nil {
		panic(err)
	}
	return c
}

func (c *checker) close() {
	for _, stmt := range c.prepared {
		if err := stmt.Close(); err != nil {
			panic(err)
		}
	}
	if err := errors.Join(c.conn.Close(), c.db.Close()); err != nil {
		panic(err)
	}
}

// each runs a query and calls visit for each row.
func (c *checker) each(visit func(scan func(...any)), query string, args ...any) {
	stmt := c.prepared[query]
	if stmt == nil {
		var err error
		if stmt, err = c.conn.PrepareContext(context.Background(), query); err != nil {
			panic(err)
		}
		c.prepared[query] = stmt
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

func (c *checker) number(query string, args ...any) (n int64) {
	c.each(func(scan func(...any)) { scan(&n) }, query, args...)
	return n
}

func (c *checker) text(query string, args ...any) (s string) {
	c.each(func(scan func(...any)) { scan(&s) }, query, args...)
	return s
}

// imported reports whether the import of a batch is complete.
func (c *checker) imported(batch string) bool {
	return c.number(`SELECT count(*) FROM batches WHERE id = ? AND state <> 'importing'`, batch) > 0
}

// compareJobs checks the changes since the last call: each job may only make
// transitions that are allowed.
func (c *checker) compareJobs() {
	version := c.number(`PRAGMA data_version`)
	if version == c.version {
		return
	}
	c.version = version
	now := map[int64]jobEntry{}
	c.each(func(scan func(...any)) {
		var j jobEntry
		scan(&j.seq, &j.batch, &j.state, &j.attempt, &j.late, &j.corrected, &j.by, &j.screenshot, &j.closedAt, &j.url)
		now[j.seq] = j
		if before, known := c.jobs[j.seq]; known {
			c.checkTransition(before, j)
		}
	}, `SELECT j.seq, b.id, j.state, j.attempt, j.late, j.corrected, j.closed_by, j.screenshot_id, coalesce(j.closed_at, 0), j.url
		FROM jobs j JOIN batches b ON b.seq = j.seq >> 32 ORDER BY j.seq`)
	for seq, before := range c.jobs {
		if _, there := now[seq]; !there && c.batches[seq>>32] != "" {
			c.w.fail("P1", "job %s disappeared", before.name())
		}
	}
	c.jobs = now
	c.inboxCursor = c.number(`SELECT place FROM cursors WHERE name = 'inbox'`)
	c.newestDelivery = c.number(`SELECT coalesce(max(seq), 0) FROM inbox`)
	c.each(func(scan func(...any)) {
		var seq int64
		var id string
		scan(&seq, &id)
		c.batches[seq] = id
	}, `SELECT seq, id FROM batches WHERE state <> 'importing'`)
}

// transitions are the allowed transitions of a job. Final states have none here,
// except those that checkTransition allows.
var transitions = map[jobs.State][]jobs.State{
	jobs.Queued:     {jobs.Submitting, jobs.Pending, jobs.Done, jobs.Failed, jobs.Canceled, jobs.Duplicate},
	jobs.Submitting: {jobs.Queued, jobs.Pending, jobs.Done, jobs.Failed, jobs.Canceled},
	jobs.Pending:    {jobs.Done, jobs.Failed, jobs.TimedOut, jobs.Canceled},
}

func (c *checker) checkTransition(before, after jobEntry) {
	fail := func(what string) {
		c.w.fail("P1", "job %s %s: %s %d (%s, late %v, %q) became %s %d (%s, late %v, %q)", after.name(), what,
			before.state, before.attempt, before.by, before.late, before.screenshot,
			after.state, after.attempt, after.by, after.late, after.screenshot)
	}
	retriable := before.state == jobs.Failed || before.state == jobs.TimedOut || before.state == jobs.Canceled
	// The image of an older attempt might arrive after a late failure.
	lateDone := after.state == jobs.Done && after.late && (!before.late || before.state == jobs.Failed)
	if after.corrected && !before.corrected && !c.correctionConfirmed(after) {
		fail("was corrected to a result that the vendor does not confirm")
	}
	// Two commits might lie between two comparisons.
	corrected := after.corrected && (!before.corrected || before.attempt > 1) && before.attempt == after.attempt
	// The image of an older attempt might have been confirmed long before.
	polled := before.state == jobs.Pending && after.by == string(jobs.ByPoll) && after.screenshot == before.screenshot
	if polled && !after.corrected && c.waitingResults(after.screenshot) > 0 {
		c.w.fail("P2", "job %s was closed by poll while a webhook of its screenshot %s waited in the inbox", after.name(), after.screenshot)
	}
	switch {
	case after.state == jobs.Canceled && before.state != jobs.Canceled && !c.wasCommanded(c.canceled, after):
		fail("was canceled without a command")
	case after.attempt < before.attempt:
		fail("went back to an older attempt")
	case after.url != before.url || before.state == jobs.Duplicate || before.state == jobs.Rejected:
		if problem := c.amendmentProblem(before, after); problem != "" {
			fail(problem)
		}
	case after.attempt > before.attempt && before.attempt > 0:
		if !retriable || after.attempt != before.attempt+1 || after.state != jobs.Queued || !c.wasCommanded(c.retried, after) {
			fail("must not begin this attempt")
		}
	case before.attempt > 0 && before.screenshot != "" && after.screenshot != before.screenshot && !(lateDone && before.attempt > 1) && !corrected:
		fail("changed its screenshot")
	case corrected && (before.state == jobs.Done || before.state == jobs.Failed || before.state == jobs.TimedOut):
	case before.state == after.state && before.final() && before != after && before.screenshot == after.screenshot:
		fail("changed after its end")
	case before.state == after.state:
	case before.state == jobs.TimedOut && !before.late && after.late && (after.state == jobs.Done || after.state == jobs.Failed):
	case before.state == jobs.Failed && (before.attempt > 1 || before.by == string(jobs.BySubmit)) && lateDone:
	case before.state == jobs.Canceled && c.wasCommanded(c.retried, after) && (lateDone ||
		after.state == jobs.Pending && after.screenshot != "" && after.screenshot == before.screenshot):
	case before.state == jobs.Canceled && before.attempt == 0 && after.state == jobs.Queued && c.wasCommanded(c.retried, after):
	case before.final() || !slices.Contains(transitions[before.state], after.state):
		fail("made a transition that does not exist")
	}
}

// amendmentProblem describes why an amendment cannot have changed a row so. It
// returns "" if it can, or if nothing changed. Two commits might lie between two
// comparisons.
func (c *checker) amendmentProblem(before, after jobEntry) string {
	notJob := before.state == jobs.Duplicate || before.state == jobs.Rejected
	switch {
	case before == after:
		return ""
	case !before.final():
		return "got another request before its end"
	case after.url != before.url && !c.wasCommanded(c.amended, after):
		return "got another request without a command"
	case after.state == jobs.Duplicate, after.state == jobs.Rejected && notJob:
		return ""
	case after.attempt <= before.attempt && after.state != jobs.Queued || after.attempt > before.attempt+2:
		return "got another request in this attempt"
	case after.state == jobs.Queued && after.screenshot != "":
		return "keeps its old screenshot"
	case after.state == jobs.Queued || after.state == jobs.Submitting || after.state == jobs.Canceled:
		return ""
	}
	return "must not begin so with another request"
}

// falselyFailed returns the jobs that failed although their screenshot did not,
// in order.
func (c *checker) falselyFailed() (found []jobs.ID) {
	for _, seq := range slices.Sorted(maps.Keys(c.jobs)) {
		j := c.jobs[seq]
		if s := c.w.vendor.byID(j.screenshot); j.state == jobs.Failed && s != nil && !s.failed {
			found = append(found, jobs.ID{Batch: j.batch, Row: j.row()})
		}
	}
	return found
}

// correctionConfirmed reports whether a job was corrected to the state of its
// screenshot. If the job is not done, the correction might have removed the image
// of an older attempt.
func (c *checker) correctionConfirmed(j jobEntry) bool {
	s := c.w.vendor.byID(j.screenshot)
	if j.state != jobs.Done && j.attempt > 1 {
		return true
	}
	if j.late && j.attempt > 1 && s != nil && c.reported(s, true, string(jobs.ByWebhook)) {
		return true // an older attempt's image, whose own result might be false as well
	}
	return s != nil && s.ended(time.Now()) && s.failed == (j.state != jobs.Done)
}

// waitingResults counts the results of a screenshot that were in the inbox and
// not applied at the last comparison.
func (c *checker) waitingResults(screenshot string) int64 {
	return c.number(`SELECT count(*) FROM inbox WHERE screenshot_id = ? AND outcome IN ('done', 'failed') AND seq > ? AND seq <= ?`,
		screenshot, c.inboxCursor, c.newestDelivery)
}

// checkSend is called when a create has or might have an effect. Its intent must
// be committed, and its lease must not have expired.
func (c *checker) checkSend(_ context.Context, tag string) {
	var state string
	var expiry, intent sql.NullInt64
	batch, row, attempt := parseTag(tag)
	c.each(func(scan func(...any)) { scan(&state, &expiry, &intent) }, `
		SELECT j.state, j.lease_until, s.intent_at FROM jobs j JOIN batches b ON b.seq = j.seq >> 32
		LEFT JOIN submissions s ON s.job_seq = j.seq AND s.attempt = ? AND s.extra = 0
		WHERE b.id = ? AND j.seq & 4294967295 = ?`, attempt, batch, row)
	c.checkPaidBefore(batch, row, attempt, tag)
	if state != "submitting" || !intent.Valid || expiry.Int64 <= time.Now().UnixMilli() {
		c.w.fail("P3", "create of %s was sent while its job is %s, lease expiry %d at %d, intent %v",
			tag, state, expiry.Int64, time.Now().UnixMilli(), intent.Valid)
	}
}

// checkPaidBefore fails if a create pays again for the screenshot of a canceled
// attempt. This is the case if the screenshot was done before the cancel, or if
// the vendor was still processing it, before its deadline, when the job was
// retried.
func (c *checker) checkPaidBefore(batch string, row, attempt int, tag string) {
	var screenshot string
	var timeout sql.NullInt64
	var canceled, retried int64
	var intent sql.NullInt64
	c.each(func(scan func(...any)) { scan(&screenshot, &intent, &timeout, &canceled, &retried) }, `SELECT s.screenshot_id, coalesce(s.intent_at, s.lost_at),
		(SELECT coalesce(nullif(j.timeout_ms, 0), nullif(b.job_timeout_ms, 0)) FROM jobs j WHERE j.seq = s.job_seq),
		(SELECT e.at FROM events e WHERE e.job_seq = s.job_seq AND e.type = 'job.canceled' AND e.attempt = s.attempt AND e.seq < r.seq ORDER BY e.seq DESC LIMIT 1),
		r.at FROM batches b CROSS JOIN submissions s ON s.job_seq = b.seq << 32 | ? AND s.attempt = ? AND s.extra = 0 AND s.screenshot_id IS NOT NULL
		CROSS JOIN events r ON r.job_seq = s.job_seq AND r.type = 'job.retried' AND r.attempt = s.attempt + 1
		WHERE b.id = ? AND (SELECT e.type FROM events e WHERE e.job_seq = s.job_seq AND e.seq < r.seq ORDER BY e.seq DESC LIMIT 1) = 'job.canceled'`,
		row, attempt-1, batch)
	s := c.w.vendor.byID(screenshot)
	if s == nil || s.hidden {
		return
	}
	allowed := jobTimeout
	if timeout.Valid {
		allowed = time.Duration(timeout.Int64) * time.Millisecond
	}
	// The time of an adopted screenshot counts from its intent, whose commit can
	// take a while.
	from := s.at
	if at := time.UnixMilli(intent.Int64); intent.Valid && at.Before(from) {
		from = at
	}
	retriedAt, end := time.UnixMilli(retried), from.Add(allowed+deadlineGrace)
	switch {
	case s.ended(time.UnixMilli(canceled)) && !s.failed:
		c.w.fail("P3", "create of %s was sent although screenshot %s, which was canceled, is done", tag, s.id)
	case !s.ended(retriedAt) && retriedAt.Before(end):
		c.w.fail("P3", "create of %s was sent although screenshot %s, which was canceled, is still processing", tag, s.id)
	}
}

// parseTag parses a submission's tag.
func parseTag(tag string) (batch string, row, attempt int) {
	if _, err := fmt.Sscanf(strings.ReplaceAll(tag, "-", " "), "shotline %s %d %d", &batch, &row, &attempt); err != nil {
		panic(err)
	}
	return batch, row, attempt
}

// checkCharge is called when the vendor charges for a create. A submission may be
// charged once. Screenshots that look-ups could not find do not count.
func (c *checker) checkCharge(made *shot, tag string) {
	if made.tag != tag {
		return // from the cache, at no cost
	}
	c.w.budgets.check(made)
	c.w.vendor.mu.Lock()
	defer c.w.vendor.mu.Unlock()
	paid := 0
	for _, s := range c.w.vendor.shots {
		if s.tag == tag && (s == made || !s.hidden) {
			paid++
		}
	}
	if paid > 1 {
		c.w.fail("P3", "submission %s was paid for %d times", tag, paid)
	}
}

// noteCommand records a command for a job, or for its whole batch.
func (c *checker) noteCommand(list map[string]bool, id jobs.ID, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole {
		list[id.Batch] = true
	} else {
		list[id.String()] = true
	}
}

func (c *checker) wasCommanded(list map[string]bool, j jobEntry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return list[j.batch] || list[j.name()]
}

func (c *checker) noteRefusal(tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[tag] = true
}

// heldCount is the number of held deliveries at one time, and the newest of them.
type heldCount struct{ held, upTo int64 }

func (c *checker) heldNow() (r heldCount) {
	c.each(func(scan func(...any)) { scan(&r.held, &r.upTo) }, `SELECT count(*), coalesce(max(seq), 0) FROM inbox WHERE disposition = 'held'`)
	return r
}

// exceedsHeld reports whether a webhook was kept although the limit of held
// deliveries was reached all the time since it was sent, and its screenshot was
// not known. A delivery is never held a second time, so their number up to a
// place only falls.
func (c *checker) exceedsHeld(hook *webhook) bool {
	return hook.shot != nil && hook.heldBefore.held >= maxHeld && !c.isOurs(hook.shot) &&
		c.number(`SELECT count(*) FROM inbox WHERE disposition = 'held' AND seq <= ?`, hook.heldBefore.upTo) >= maxHeld
}

// checkDisown is called before held deliveries are disowned. None of them may
// belong to a screenshot of ours.
func (c *checker) checkDisown(screenshots []string) {
	for _, id := range screenshots {
		s := c.w.vendor.byID(id)
		if s != nil && len(s.owners()) > 0 && c.number(`SELECT count(*) FROM inbox WHERE disposition = 'held' AND screenshot_id = ?`, id) > 0 {
			c.w.fail("P2", "a held delivery of screenshot %s of %v is disowned", id, s.owners())
		}
	}
}

// checkAnswer is called when a webhook was answered. If the answer was 200, the webhook
// must be kept by then. A webhook with a bad signature must not be kept.
func (c *checker) checkAnswer(hook *webhook, status int) {
	kept := c.number(`SELECT count(*) FROM inbox WHERE body = ?`, hook.body)
	switch {
	case hook.signing != signed && status != 0 && status != 401:
		c.w.fail("P4", "webhook %d with a bad signature was answered %d", hook.n, status)
	case hook.signing != signed && kept > 0:
		c.w.fail("P4", "webhook %d with a bad signature was kept", hook.n)
	case status == 200 && hook.signing == signed && c.exceedsHeld(hook):
		c.w.fail("P9", "webhook %d of %s was kept although %d were held", hook.n, hook.shot.id, hook.heldBefore.held)
	case status == 200 && kept == 0:
		c.w.fail("P2", "webhook %d was answered 200 but is not kept", hook.n)
	case hook.signing == signed && status != 200 && status != 503 && status != 0:
		c.w.fail("P2", "webhook %d was answered %d", hook.n, status)
	}
}

// checkError checks an error of an activity that began in the fault-free phase.
// Such an error is a violation, unless a command did not fit the state of its job
// or batch.
func (c *checker) checkError(name string, err error) {
	if !errors.Is(err, jobs.ErrState) && !errors.Is(err, jobs.ErrNotFound) {
		c.w.fail("P8", "%s failed without a fault: %v", name, err)
	}
}
