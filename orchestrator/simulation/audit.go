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

// audit compares the final content of the file with the records of the simulated
// world.
func (c *checker) audit() {
	c.compareJobs()
	c.auditImports()
	c.auditJobs()
	c.auditDeliveries()
	c.auditContradictions()
	c.auditCounts()
	c.auditBudgets()
	c.auditLog()
	c.auditCallbacks()
	c.auditLeftovers()
	c.auditFiles()
	c.w.figures.Jobs = len(c.jobs)
}

// auditImports checks that each import stored all rows of its input or none.
func (c *checker) auditImports() {
	for _, order := range c.w.operator.batches {
		var states []string
		c.each(func(scan func(...any)) {
			var state, url string
			scan(&state, &url)
			states = append(states, state+" "+url)
		}, `SELECT j.state, j.url FROM jobs j JOIN batches b ON b.seq = j.seq >> 32 WHERE b.id = ? ORDER BY j.seq`, order.id)
		switch {
		case len(states) == 0 && order.accepted:
			c.w.fail("P1", "batch %s was accepted but does not exist", order.id)
			continue
		case len(states) == 0:
			continue
		case order.failed:
			c.w.fail("P10", "batch %s was refused but exists", order.id)
		case len(states) != len(order.rows):
			c.w.fail("P1", "batch %s has %d rows, want %d", order.id, len(states), len(order.rows))
			continue
		}
		for i, row := range order.rows {
			state, url, _ := strings.Cut(states[i], " ")
			special := row.state == jobs.Duplicate || row.state == jobs.Rejected
			if len(row.amended) > 0 && (url == row.url || slices.Contains(row.amended, url)) {
				continue
			}
			if row.state == jobs.Duplicate && url == row.url && slices.ContainsFunc(order.rows, func(o rowOrder) bool { return len(o.amended) > 0 }) {
				continue // it might have repeated a row that was amended
			}
			if url != row.url || special != (state == string(jobs.Duplicate) || state == string(jobs.Rejected)) || special && state != string(row.state) {
				c.w.fail("P1", "row %d of batch %s is %s, want %s as %s", i+1, order.id, states[i], row.url, row.state)
			}
		}
	}
}

// auditJobs checks that every job is in a final state, and that its screenshot
// justifies the state.
func (c *checker) auditJobs() {
	for _, j := range c.jobs {
		if !j.final() {
			c.w.fail("P1", "job %s is %s at the end", j.name(), j.state)
			continue
		}
		switch j.state {
		case jobs.Done, jobs.Failed:
			c.auditResult(j)
		case jobs.TimedOut:
			c.auditTimeout(j)
		case jobs.Duplicate:
			c.auditDuplicate(j)
		}
		if j.state == jobs.Failed || j.state == jobs.TimedOut {
			c.auditPaid(j)
		}
	}
}

// auditDuplicate checks that a duplicate repeats a job with the same URL.
func (c *checker) auditDuplicate(j jobEntry) {
	original := c.jobs[j.seq>>32<<32|c.number(`SELECT coalesce(duplicate_of, 0) FROM jobs WHERE seq = ?`, j.seq)]
	if original.url != j.url || original.state == jobs.Duplicate || original.state == jobs.Rejected {
		c.w.fail("P1", "job %s with %s is a duplicate of %s, which is %s with %s", j.name(), j.url, original.name(), original.state, original.url)
	}
}

// firstAttempt returns the attempt that began with the present request of a job.
func (c *checker) firstAttempt(j jobEntry) int {
	return int(c.number(`SELECT coalesce(max(attempt), 1) FROM events WHERE job_seq = ? AND type = 'job.amended'`, j.seq))
}

func (c *checker) auditResult(j jobEntry) {
	if j.by == string(jobs.BySubmit) {
		if j.state != jobs.Failed || !c.refusals[j.tag(j.attempt)] {
			c.w.fail("P1", "job %s is %s by submit, but its create was not refused", j.name(), j.state)
		}
		return
	}
	s := c.w.vendor.byID(j.screenshot)
	switch {
	case s == nil:
		c.w.fail("P1", "job %s is %s with the screenshot %q, which does not exist", j.name(), j.state, j.screenshot)
	case !slices.ContainsFunc(c.closingTags(j), func(tag string) bool { return slices.Contains(s.owners(), tag) }):
		c.w.fail("P1", "job %s has the screenshot %s of %v", j.name(), s.id, s.owners())
	case s.url != j.url:
		c.w.fail("P1", "job %s with %s has the screenshot %s of %s", j.name(), j.url, s.id, s.url)
	case !c.reported(s, j.state == jobs.Done, j.by):
		c.w.fail("P1", "job %s is %s by %s, but neither a webhook nor the vendor reported this of screenshot %s", j.name(), j.state, j.by, s.id)
	case s.failed == (j.state == jobs.Done) && c.reported(s, !s.failed, string(jobs.ByWebhook)):
		c.w.fail("P1", "job %s stays %s by %s, although the true webhook of screenshot %s contradicts it", j.name(), j.state, j.by, s.id)
	}
}

// closingTags returns the tags of the submissions whose screenshot may close the
// job. These are the newest submission and, if the job is done by a late result,
// the older ones.
func (c *checker) closingTags(j jobEntry) []string {
	tags := []string{j.tag(j.attempt)}
	for attempt := c.firstAttempt(j); attempt < j.attempt && j.late && j.state == jobs.Done; attempt++ {
		tags = append(tags, j.tag(attempt))
	}
	return tags
}

// auditPaid checks that a job without an image has no paid screenshot that a
// webhook reported as done.
func (c *checker) auditPaid(j jobEntry) {
	last := j.attempt - 1
	if j.by == string(jobs.BySubmit) {
		last = j.attempt // an earlier create of the same attempt might have taken effect
	}
	for attempt := c.firstAttempt(j); attempt <= last; attempt++ {
		for _, s := range c.w.vendor.orderedBy(j.tag(attempt)) {
			if c.reported(s, true, string(jobs.ByWebhook)) && c.isOurs(s) && !s.failed && !s.hidden {
				c.w.fail("P1", "job %s is %s although screenshot %s of its attempt %d is done", j.name(), j.state, s.id, attempt)
			}
		}
	}
}

// reported reports whether the given result of a screenshot has a valid source: a
// webhook that was signed and kept or, if the closure was not by webhook, the
// vendor itself.
func (c *checker) reported(s *shot, done bool, by string) bool {
	if by != string(jobs.ByWebhook) {
		return s.ended(time.Now()) && s.failed == !done
	}
	for _, hook := range c.w.webhooks.all() {
		if hook.shot == s && hook.signing == signed && hook.done == done && c.isKept(hook) {
			return true
		}
	}
	return false
}

func (c *checker) isKept(hook *webhook) bool {
	return c.number(`SELECT count(*) FROM inbox WHERE body = ?`, hook.body) > 0
}

// auditTimeout checks that no webhook was acknowledged for the screenshot of a
// job that timed out.
func (c *checker) auditTimeout(j jobEntry) {
	s := c.w.vendor.byID(j.screenshot)
	if s == nil || !slices.Contains(s.owners(), j.tag(j.attempt)) {
		c.w.fail("P1", "job %s timed out with screenshot %q", j.name(), j.screenshot)
		return
	}
	for _, hook := range c.w.webhooks.all() {
		if hook.shot == s && !hook.acceptedAt.IsZero() {
			c.w.fail("P2", "job %s stays timed out although webhook %d of its screenshot %s was acknowledged", j.name(), hook.n, s.id)
		}
	}
}

// auditDeliveries checks that every acknowledged webhook was kept, and was
// applied if its screenshot is ours. It also checks that no deadline closed a job
// whose webhook had arrived before.
func (c *checker) auditDeliveries() {
	for _, hook := range c.w.webhooks.all() {
		if hook.acceptedAt.IsZero() {
			continue
		}
		var disposition string
		n := 0
		c.each(func(scan func(...any)) { scan(&disposition); n++ }, `SELECT disposition FROM inbox WHERE body = ?`, hook.body)
		switch {
		case n == 0:
			c.w.fail("P2", "webhook %d was answered 200 but is not in the inbox", hook.n)
		case hook.shot != nil && hook.shot.tag != "" && !c.hasHiddenShot(hook.shot.tag) && c.isOurs(hook.shot) && disposition != "":
			c.w.fail("P2", "webhook %d of our screenshot %s is %q", hook.n, hook.shot.id, disposition)
		case hook.shot != nil && len(hook.shot.owners()) == 0 && disposition == "":
			c.w.fail("P1", "webhook %d of the foreign screenshot %s was applied", hook.n, hook.shot.id)
		case hook.shot == nil && disposition == "":
			c.w.fail("P1", "webhook %d of %s was applied", hook.n, hook.event)
		}
	}
	for _, j := range c.jobs {
		if s := c.w.vendor.byID(j.screenshot); s == nil || !slices.Contains(s.owners(), j.tag(j.attempt)) {
			continue // its screenshot is of an older attempt, or it has none
		}
		early := c.number(`SELECT count(*) FROM inbox i WHERE i.screenshot_id = ? AND i.disposition = '' AND i.outcome IN ('done', 'failed')
			AND i.received_at < (SELECT min(e.at) FROM events e WHERE e.job_seq = ? AND e.attempt = ? AND e.type = 'job.timed_out')`,
			j.screenshot, j.seq, j.attempt)
		if early > 0 && c.w.profile.cached == 0 {
			c.w.fail("P2", "job %s timed out after %d webhooks of its screenshot had been acknowledged", j.name(), early)
		}
	}
}

// auditContradictions checks the screenshots for which both a false and a true
// webhook arrived. Each submission with such a screenshot must have the true
// outcome, whatever the state of its job is.
func (c *checker) auditContradictions() {
	c.w.vendor.mu.Lock()
	shots := slices.Clone(c.w.vendor.shots)
	c.w.vendor.mu.Unlock()
	for _, s := range shots {
		if !c.reported(s, true, string(jobs.ByWebhook)) || !c.reported(s, false, string(jobs.ByWebhook)) {
			continue
		}
		truth := jobs.OutcomeDone
		if s.failed {
			truth = jobs.OutcomeFailed
		}
		if n := c.number(`SELECT count(*) FROM submissions WHERE screenshot_id = ? AND extra = 0 AND outcome <> ?`, s.id, string(truth)); n > 0 {
			c.w.fail("P1", "screenshot %s is %s, but after contradictory webhooks %d submissions have another outcome", s.id, truth, n)
		}
	}
}

// isOurs reports whether the file contains a submission with the screenshot.
func (c *checker) isOurs(s *shot) bool {
	return c.number(`SELECT count(*) FROM submissions WHERE screenshot_id = ?`, s.id) > 0
}

// hasHiddenShot reports whether a submission has a hidden screenshot. That one
// might be adopted only after the submission was sent again. The screenshots of
// its other creates are then double charges, whose webhooks nothing holds.
func (c *checker) hasHiddenShot(tag string) bool {
	return slices.ContainsFunc(c.w.vendor.shots, func(s *shot) bool { return s.tag == tag && s.hidden })
}

// auditCounts checks that the counters agree with a count of the rows, and the
// costs with the charges of the vendor.
func (c *checker) auditCounts() {
	for _, column := range []string{"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "duplicate", "rejected"} {
		c.compareCounter(column, fmt.Sprintf(`SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND state = '%s'`, column))
	}
	for _, by := range jobs.Provenances {
		c.compareCounter("by_"+string(by), fmt.Sprintf(`SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND closed_by = '%s'`, by))
	}
	c.compareCounter("rows", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq`)
	c.compareCounter("late", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND late`)
	c.compareCounter("corrected", `SELECT count(*) FROM jobs WHERE seq >> 32 = b.seq AND corrected`)
	c.compareCounter("double_charged", `SELECT count(*) FROM submissions WHERE job_seq >> 32 = b.seq AND extra > 0`)
	c.compareCounter("cost_micros", `SELECT sum(cost_micros) FROM jobs WHERE seq >> 32 = b.seq`)
	c.each(func(scan func(...any)) {
		var id string
		var recorded, charged int
		scan(&id, &recorded, &charged)
		c.w.fail("P6", "the newest summary of batch %s has %d double charges, want %d, or a wrong cost", id, recorded, charged)
	}, `SELECT b.id, s.data ->> 'double_charged', b.double_charged FROM batches b JOIN summaries s ON s.batch_seq = b.seq AND s.revision = b.revision
		WHERE s.data ->> 'double_charged' <> b.double_charged OR (s.data ->> 'cost') IS NOT b.cost`)
	for _, j := range c.jobs {
		c.auditCharges(j)
	}
	if c.w.profile.cached > 0 {
		return // the cost of a screenshot from the cache is not defined
	}
	for _, j := range c.jobs {
		c.auditCost(j)
	}
}

// auditCharges checks that every charge beyond one screenshot per attempt is
// recorded.
func (c *checker) auditCharges(j jobEntry) {
	var want int64
	for attempt := 1; attempt <= j.attempt; attempt++ {
		want += max(int64(len(c.w.vendor.orderedBy(j.tag(attempt))))-1, 0)
	}
	got := c.number(`SELECT double_charged FROM jobs WHERE seq = ?`, j.seq)
	if got != want && (got < want || c.w.profile.cached == 0) {
		c.w.fail("P3", "job %s was charged %d times too often, %d are recorded", j.name(), want, got)
	}
}

// auditCost checks that the cost of a job is the sum over all its screenshots. It
// skips jobs with a screenshot that ended after the batch finished, because
// nothing queries its cost later.
func (c *checker) auditCost(j jobEntry) {
	finished := time.UnixMilli(c.number(`SELECT coalesce(finished_at, 0) FROM batches WHERE id = ?`, j.batch))
	want, known := 0.0, false
	for attempt := 1; attempt <= j.attempt; attempt++ {
		for _, s := range c.w.vendor.orderedBy(j.tag(attempt)) {
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
	if cost := c.number(`SELECT coalesce(cost_micros, -1) FROM jobs WHERE seq = ?`, j.seq); cost != int64(math.Round(want*1e6)) {
		c.w.fail("P6", "job %s has a cost of %d millionths, the vendor charged %v", j.name(), cost, want)
	}
}

func (c *checker) compareCounter(column, count string) {
	c.each(func(scan func(...any)) {
		var id string
		var counter, rows sql.NullInt64
		scan(&id, &counter, &rows)
		c.w.fail("P6", "batch %s has %d in %s, a count of its rows gives %d", id, counter.Int64, column, rows.Int64)
	}, fmt.Sprintf(`SELECT b.id, b.%[1]s, (%[2]s) FROM batches b WHERE b.%[1]s IS NOT (%[2]s)`, column, count))
}

// auditLeftovers checks that no temporary state is left: leases, doubts, held
// deliveries, deliveries aside, conflicts or partial imports.
func (c *checker) auditLeftovers() {
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
		if n := c.number(query); n > 0 {
			c.w.fail("P8", "%d %s are left", n, what)
		}
	}
	if check := c.text(`PRAGMA integrity_check`); check != "ok" {
		c.w.fail("P2", "integrity check: %s", check)
	}
}
