package simulation

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// audit compares what the file says at the end with what everybody else knows.
func (b *books) audit() {
	b.look()
	b.auditImports()
	b.auditJobs()
	b.auditDeliveries()
	b.auditContradictions()
	b.auditCounts()
	b.auditLog()
	b.auditCallbacks()
	b.auditLeftovers()
	b.w.figures.Jobs = len(b.jobs)
}

// auditImports: what was in the file is there, all or nothing.
func (b *books) auditImports() {
	for _, order := range b.w.clerk.batches {
		var states []string
		b.each(func(scan func(...any)) {
			var state, url string
			scan(&state, &url)
			states = append(states, state+" "+url)
		}, `SELECT j.state, j.url FROM jobs j JOIN batches b ON b.seq = j.seq >> 32 WHERE b.id = ? ORDER BY j.seq`, order.id)
		switch {
		case len(states) == 0 && order.accepted:
			b.w.fail("P1", "batch %s was accepted and is gone", order.id)
			continue
		case len(states) == 0:
			continue
		case order.denied:
			b.w.fail("P10", "batch %s was refused and is there", order.id)
		case len(states) != len(order.rows):
			b.w.fail("P1", "batch %s has %d rows of %d", order.id, len(states), len(order.rows))
			continue
		}
		for i, row := range order.rows {
			state, url, _ := strings.Cut(states[i], " ")
			special := row.state == jobs.Duplicate || row.state == jobs.Rejected
			if url != row.url || special != (state == string(jobs.Duplicate) || state == string(jobs.Rejected)) || special && state != string(row.state) {
				b.w.fail("P1", "row %d of batch %s is %s, ordered was %s as %s", i+1, order.id, states[i], row.url, row.state)
			}
		}
	}
}

// auditJobs: every job ended as its screenshot did, for a reason that holds.
func (b *books) auditJobs() {
	for _, j := range b.jobs {
		if !j.final() {
			b.w.fail("P1", "job %s is %s at the end", j.name(), j.state)
			continue
		}
		switch j.state {
		case jobs.Done, jobs.Failed:
			b.auditResult(j)
		case jobs.TimedOut:
			b.auditTimeout(j)
		}
		if j.state == jobs.Failed || j.state == jobs.TimedOut {
			b.auditPaid(j)
		}
	}
}

func (b *books) auditResult(j jobEntry) {
	if j.by == string(jobs.BySubmit) {
		if j.state != jobs.Failed || !b.refusals[j.tag(j.attempt)] {
			b.w.fail("P1", "job %s is %s by submit, but its create was not refused", j.name(), j.state)
		}
		return
	}
	s := b.w.vendor.byID(j.screenshot)
	switch {
	case s == nil:
		b.w.fail("P1", "job %s is %s with a screenshot %q that there is not", j.name(), j.state, j.screenshot)
	case !slices.ContainsFunc(b.closers(j), func(tag string) bool { return slices.Contains(s.owners(), tag) }):
		b.w.fail("P1", "job %s has the screenshot %s of %v", j.name(), s.id, s.owners())
	case !b.told(s, j.state == jobs.Done, j.by):
		b.w.fail("P1", "job %s is %s by %s, but nobody said so of screenshot %s", j.name(), j.state, j.by, s.id)
	case s.failed == (j.state == jobs.Done) && b.told(s, !s.failed, string(jobs.ByWebhook)):
		b.w.fail("P1", "job %s stays %s by %s, although the true webhook of screenshot %s contradicts it", j.name(), j.state, j.by, s.id)
	}
}

// closers are the submissions whose screenshot may close a job: the newest, or
// an older one whose picture came, late, after all.
func (b *books) closers(j jobEntry) []string {
	tags := []string{j.tag(j.attempt)}
	for attempt := 1; attempt < j.attempt && j.late && j.state == jobs.Done; attempt++ {
		tags = append(tags, j.tag(attempt))
	}
	return tags
}

// auditPaid: no picture that was paid for, and told of, is left out.
func (b *books) auditPaid(j jobEntry) {
	last := j.attempt - 1
	if j.by == string(jobs.BySubmit) {
		last = j.attempt // an earlier create of the same attempt may have had an effect
	}
	for attempt := 1; attempt <= last; attempt++ {
		for _, s := range b.w.vendor.of(j.tag(attempt)) {
			if b.told(s, true, string(jobs.ByWebhook)) && b.ours(s) && !s.failed && !s.hidden {
				b.w.fail("P1", "job %s is %s although screenshot %s of its attempt %d is done", j.name(), j.state, s.id, attempt)
			}
		}
	}
}

// told reports whether somebody who is to be believed said this of a screenshot.
func (b *books) told(s *shot, done bool, by string) bool {
	if by != string(jobs.ByWebhook) {
		return s.ended(time.Now()) && s.failed == !done
	}
	for _, p := range b.w.courier.all() {
		if p.shot == s && p.mark == signed && p.done == done && b.kept(p) {
			return true
		}
	}
	return false
}

func (b *books) kept(p *post) bool {
	return b.number(`SELECT count(*) FROM inbox WHERE body = ?`, p.body) > 0
}

// auditTimeout: time was up, and no word had come, and none came later.
func (b *books) auditTimeout(j jobEntry) {
	s := b.w.vendor.byID(j.screenshot)
	if s == nil || !slices.Contains(s.owners(), j.tag(j.attempt)) {
		b.w.fail("P1", "job %s timed out with screenshot %q", j.name(), j.screenshot)
		return
	}
	for _, p := range b.w.courier.all() {
		if p.shot == s && !p.kept.IsZero() {
			b.w.fail("P2", "job %s stays timed out although webhook %d of its screenshot %s was acknowledged", j.name(), p.n, s.id)
		}
	}
}

// auditDeliveries: every acknowledged webhook is kept, and was applied if it is
// of a screenshot of ours. No clock overtook one that was there before.
func (b *books) auditDeliveries() {
	for _, p := range b.w.courier.all() {
		if p.kept.IsZero() {
			continue
		}
		var disposition string
		n := 0
		b.each(func(scan func(...any)) { scan(&disposition); n++ }, `SELECT disposition FROM inbox WHERE body = ?`, p.body)
		switch {
		case n == 0:
			b.w.fail("P2", "webhook %d was answered 200 and is not there", p.n)
		case p.shot != nil && p.shot.tag != "" && !p.shot.hidden && b.ours(p.shot) && disposition != "":
			b.w.fail("P2", "webhook %d of our screenshot %s is %q", p.n, p.shot.id, disposition)
		case p.shot != nil && len(p.shot.owners()) == 0 && disposition == "":
			b.w.fail("P1", "webhook %d of the stranger's screenshot %s moved something", p.n, p.shot.id)
		case p.shot == nil && disposition == "":
			b.w.fail("P1", "webhook %d of %s moved something", p.n, p.event)
		}
	}
	for _, j := range b.jobs {
		if s := b.w.vendor.byID(j.screenshot); s == nil || !slices.Contains(s.owners(), j.tag(j.attempt)) {
			continue // of an older attempt, or of none
		}
		early := b.number(`SELECT count(*) FROM inbox i WHERE i.screenshot_id = ? AND i.disposition = '' AND i.outcome IN ('done', 'failed')
			AND i.received_at < (SELECT min(e.at) FROM events e WHERE e.job_seq = ? AND e.attempt = ? AND e.type = 'job.timed_out')`,
			j.screenshot, j.seq, j.attempt)
		if early > 0 && b.w.profile.cached == 0 {
			b.w.fail("P2", "job %s timed out after %d webhooks of its screenshot had been acknowledged", j.name(), early)
		}
	}
}

// auditContradictions: where both the lie and the truth about a screenshot came in,
// each submission that has it knows the truth, whatever became of its job.
func (b *books) auditContradictions() {
	b.w.vendor.mu.Lock()
	shots := slices.Clone(b.w.vendor.shots)
	b.w.vendor.mu.Unlock()
	for _, s := range shots {
		if !b.told(s, true, string(jobs.ByWebhook)) || !b.told(s, false, string(jobs.ByWebhook)) {
			continue
		}
		truth := jobs.OutcomeDone
		if s.failed {
			truth = jobs.OutcomeFailed
		}
		if n := b.number(`SELECT count(*) FROM submissions WHERE screenshot_id = ? AND extra = 0 AND outcome <> ?`, s.id, string(truth)); n > 0 {
			b.w.fail("P1", "screenshot %s is %s, and after contradictory webhooks %d submissions have it otherwise", s.id, truth, n)
		}
	}
}

// ours reports whether the file knows a screenshot as one of ours.
func (b *books) ours(s *shot) bool {
	return b.number(`SELECT count(*) FROM submissions WHERE screenshot_id = ?`, s.id) > 0
}

// auditCounts: counters are what a count over the rows says, and costs what
// the vendor charged.
func (b *books) auditCounts() {
	for _, column := range []string{"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "duplicate", "rejected"} {
		b.agree(column, fmt.Sprintf(`SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND state = '%s'`, column))
	}
	for _, by := range jobs.Provenances {
		b.agree("by_"+string(by), fmt.Sprintf(`SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND closed_by = '%s'`, by))
	}
	b.agree("rows", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq`)
	b.agree("late", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND late`)
	b.agree("corrected", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND corrected`)
	b.agree("double_charged", `SELECT count(*) FROM submissions WHERE job_seq >> 32 = b.seq AND extra > 0`)
	b.agree("cost_micros", `SELECT sum(cost_micros) FROM jobs WHERE seq >> 32 = b.seq`)
	b.each(func(scan func(...any)) {
		var id string
		var told, charged int
		scan(&id, &told, &charged)
		b.w.fail("P6", "the newest summary of batch %s tells of %d double charges, there are %d, or of another cost", id, told, charged)
	}, `SELECT b.id, s.data ->> 'double_charged', b.double_charged FROM batches b JOIN summaries s ON s.batch_seq = b.seq AND s.revision = b.revision
		WHERE s.data ->> 'double_charged' <> b.double_charged OR (s.data ->> 'cost') IS NOT b.cost`)
	for _, j := range b.jobs {
		b.auditCharges(j)
	}
	if b.w.profile.cached > 0 {
		return // what a screenshot out of the cache costs is anybody's guess
	}
	for _, j := range b.jobs {
		b.auditCost(j)
	}
}

// auditCharges: what a job has paid for beyond the wanted screenshots is recorded.
func (b *books) auditCharges(j jobEntry) {
	var want int64
	for attempt := 1; attempt <= j.attempt; attempt++ {
		want += max(int64(len(b.w.vendor.of(j.tag(attempt))))-1, 0)
	}
	got := b.number(`SELECT double_charged FROM jobs WHERE seq = ?`, j.seq)
	if got != want && (got < want || b.w.profile.cached == 0) {
		b.w.fail("P3", "job %s was charged %d times beyond what it wanted, recorded are %d", j.name(), want, got)
	}
}

// auditCost: a job costs what all its screenshots do. Nobody asks about what a
// batch that has ended may cost later.
func (b *books) auditCost(j jobEntry) {
	finished := time.UnixMilli(b.number(`SELECT coalesce(finished_at, 0) FROM batches WHERE id = ?`, j.batch))
	want, known := 0.0, false
	for attempt := 1; attempt <= j.attempt; attempt++ {
		for _, s := range b.w.vendor.of(j.tag(attempt)) {
			if !s.ended(finished) {
				return
			}
			want += s.cost
			known = true
		}
	}
	if !known {
		want = -1e-6
	}
	if cost := b.number(`SELECT coalesce(cost_micros, -1) FROM jobs WHERE seq = ?`, j.seq); cost != int64(math.Round(want*1e6)) {
		b.w.fail("P6", "job %s cost %d millionths, the vendor charged %v", j.name(), cost, want)
	}
}

func (b *books) agree(column, count string) {
	b.each(func(scan func(...any)) {
		var id string
		var counter, rows sql.NullInt64
		scan(&id, &counter, &rows)
		b.w.fail("P6", "batch %s has %d in %s, its rows %d", id, counter.Int64, column, rows.Int64)
	}, fmt.Sprintf(`SELECT b.id, b.%[1]s, (%[2]s) FROM batches b WHERE b.%[1]s IS NOT (%[2]s)`, column, count))
}

// auditLeftovers: nothing is held, leased, doubted, put aside or half imported.
func (b *books) auditLeftovers() {
	for what, query := range map[string]string{
		"leases":              `SELECT count(*) FROM jobs WHERE lease_owner IS NOT NULL OR lease_until IS NOT NULL`,
		"doubts":              `SELECT count(*) FROM submissions WHERE doubt_since IS NOT NULL OR open_after IS NOT NULL`,
		"held deliveries":     `SELECT count(*) FROM inbox WHERE disposition = 'held'`,
		"deliveries aside":    `SELECT count(*) FROM inbox WHERE disposition = 'aside'`,
		"cancels":             `SELECT count(*) FROM jobs WHERE cancel_asked_at IS NOT NULL AND state IN ('queued', 'submitting', 'pending')`,
		"conflicts":           `SELECT count(*) FROM contradictions WHERE check_at IS NOT NULL`,
		"half imports":        `SELECT count(*) FROM batches WHERE state = 'importing'`,
		"deliveries to apply": `SELECT count(*) FROM inbox WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox')`,
	} {
		if n := b.number(query); n > 0 {
			b.w.fail("P8", "%d %s are left", n, what)
		}
	}
	if check := b.text(`PRAGMA integrity_check`); check != "ok" {
		b.w.fail("P2", "integrity check: %s", check)
	}
}
