package simulation

import "slices"

// bug is one plausible programming mistake, which is planted into the code under
// test. The text from must occur exactly once in the file.
type bug struct {
	name    string // describes the mistake
	promise string // promises, of which the simulation must find at least one broken
	file    string // relative to the root of the module
	from    string
	to      string
}

var bugs = slices.Concat(bugsOfJobs, bugsOfCorrections, bugsOfMoney, bugsOfAmendments, bugsOfCallbacks, bugsOfFiles, bugsOfBudgets)

var bugsOfJobs = []bug{
	{
		name: "a webhook is answered before its commit", promise: "P2", file: "orchestrator/close.go",
		from: `	if _, err := o.store.AppendDelivery(ctx, d); err != nil {
		return fmt.Errorf("keep delivery: %w", err)
	}
`,
		to: `	if err := ctx.Err(); err != nil {
		return fmt.Errorf("keep delivery: %w", err)
	}
	go func() { _, _ = o.store.AppendDelivery(context.WithoutCancel(ctx), d) }()
`,
	},
	{
		name: "a create without a response is sent again at once", promise: "P3", file: "orchestrator/submit.go",
		from: `		slot.End(throttle.Unanswered(took))
		return o.doubt(ctx, lease)
`,
		to: `		slot.End(throttle.Unanswered(took))
		return o.handBack(ctx, []jobs.Lease{lease})
`,
	},
	{
		name: "the settle time is skipped", promise: "P3", file: "orchestrator/doubt.go",
		from: `settledBefore := began.Add(-o.cfg.Settle)`,
		to:   `settledBefore := began`,
	},
	{
		name: "the settle time counts from the intent", promise: "P3", file: "jobs/sqlite/ledger.go",
		from: `UPDATE submissions SET doubt_since = ?3, check_at = ?3`,
		to:   `UPDATE submissions SET doubt_since = intent_at, check_at = ?3`,
	},
	{
		name: "a failed look-up counts as an empty one", promise: "P2, P3", file: "orchestrator/doubt.go",
		from: `		case err != nil: // this one waits; the others do not wait for it
			failures = append(failures, err)
		case !found:
`,
		to: `		case !found:
`,
	},
	{
		name: "a search by URL adopts any screenshot that it finds", promise: "P1", file: "orchestrator/doubt.go",
		from: `		tags, err := l.adopt(ctx, shots)
		found = found || tags[d.Tag()]
		for _, shot`,
		to: `		err := l.record(ctx, []jobs.Observation{observe(d.Job, d.Attempt, shots[0])})
		found = true
		for _, shot`,
	},
	{
		name: "the intent is not on disk before its create is sent", promise: "P3", file: "orchestrator/submit.go",
		from: `	opened, err := o.store.OpenIntent(ctx, lease, now, now.Add(o.cfg.leaseTime()))
`,
		to: `	opened, err := lease, ctx.Err()
	go func() { _, _ = o.store.OpenIntent(ctx, lease, now, now.Add(o.cfg.leaseTime())) }()
`,
	},
	{
		name: "an expired lease is queued again although its intent is open", promise: "P3", file: "jobs/sqlite/doubts.go",
		from: `inDoubt, err := t.doubt(l.seq, l.attempt, l.owner, l.expiry, at)`,
		to:   `inDoubt, err := false, error(nil)`,
	},
	{
		name: "the lease of another owner is handed back", promise: "P3", file: "jobs/sqlite/ledger.go",
		from: `n, err := t.exec(queueAgain, seq, lease.Attempt, lease.Owner, lease.Expiry.UnixMilli())`,
		to: `n, err := t.exec(` + "`UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until = NULL WHERE seq = ? AND state = 'submitting' AND attempt = ?`" + `,
				seq, lease.Attempt)`,
	},
	{
		name: "a lost lease is not noticed", promise: "P3, P8", file: "jobs/sqlite/ledger.go",
		from: `AND lease_owner = ?4 AND lease_until > ?5
	AND EXISTS (SELECT 1 FROM batches WHERE seq = ?2 >> 32 AND state = 'open')
	AND NOT EXISTS (SELECT 1 FROM submissions WHERE job_seq = ?2 AND attempt = ?3 AND extra = 0 AND intent_at IS NOT NULL)`,
		to: `AND ?4 <> '' AND ?5 > 0
	AND EXISTS (SELECT 1 FROM batches WHERE seq = ?2 >> 32 AND state = 'open')`,
	},
	{
		name: "a refused create leaves its intent open", promise: "P8", file: "jobs/sqlite/ledger.go",
		from: `withdrawn, err := t.exec(withdrawIntent, seq, lease.Attempt)`,
		to:   `withdrawn, err := int64(0), error(nil)`,
	},
	{
		name: "the signature is computed and not compared", promise: "P4", file: "receiver/receiver.go",
		from: `		if err := b.verify(mark); err != nil {
			return WrongSignature, err
		}
`,
		to: `		_ = b.verify(mark)
`,
	},
	{
		name: "a result overwrites the final state of its job", promise: "P1, P2", file: "jobs/sqlite/close.go",
		from: `	WHERE o.recorded IS NULL AND o.extra = 0 AND (
		(j.state IN ('pending', 'submitting', 'timed_out') AND o.attempt = j.attempt)
`,
		to: `	WHERE o.extra = 0 AND (
		(o.attempt = j.attempt)
`,
	},
	{
		name: "a late result is not marked as late", promise: "P1", file: "jobs/sqlite/close.go",
		from: `j.state NOT IN ('pending', 'submitting'), j.late, j.closed_by,`,
		to:   `0, j.late, j.closed_by,`,
	},
	{
		name: "closures do not change the counters", promise: "P6, P8", file: "jobs/sqlite/close.go",
		from: `	if _, err := t.exec(countClosings); err != nil {
		return fmt.Errorf("count closings: %w", err)
	}
`,
		to: ``,
	},
	{
		name: "late results are not counted", promise: "P6", file: "jobs/sqlite/batchend.go",
		from: `	add("late", "sum(late) - sum(was_late)")
`,
		to: ``,
	},
	{
		name: "an adopted job stays counted in its old state", promise: "P6", file: "jobs/sqlite/observe.go",
		from: `			if err := o.moveCount(sight.seq>>32, sight.state, jobs.Pending, 1); err != nil {
				return err
			}
`,
		to: ``,
	},
	{
		name: "a cost is added each time it is reported", promise: "P6", file: "jobs/sqlite/observe.go",
		from: `AND attempt = ? AND extra = ? AND cost_micros IS NULL`,
		to:   `AND attempt = ? AND extra = ?`,
	},
	{
		name: "a closure leaves no event", promise: "P1", file: "jobs/sqlite/close.go",
		from: `	if _, err := t.exec(logClosings, at.UnixMilli()); err != nil {
		return fmt.Errorf("log closings: %w", err)
	}
`,
		to: ``,
	},
	{
		name: "an unknown screenshot is foreign at once", promise: "P2", file: "jobs/sqlite/inbox.go",
		from: `WHEN seq > ?1 THEN 'held' ELSE 'foreign' END`,
		to:   `WHEN seq < ?1 THEN 'held' ELSE 'foreign' END`,
	},
	{
		name: "adoption forgets held deliveries", promise: "P2", file: "jobs/sqlite/observe.go",
		from: `	return o.releaseFor(sight.ScreenshotID)
}

const loadTakenOver`,
		to: `	return nil
}

const loadTakenOver`,
	},
	{
		name: "a deadline overtakes the inbox", promise: "P2", file: "jobs/sqlite/afterinbox.go",
		from: `			applied, err := s.applyNext(t, at, -1)
			if err != nil {
				return err
			}
			stepped = applied.Effects
`,
		to: ``,
	},
	{
		name: "the cursor moves in a separate transaction", promise: "P1, P2", file: "jobs/sqlite/inbox.go",
		from: `	err := s.writeAlone(ctx, func(t *tx) (err error) {
		applied, err = s.applyNext(t, at, limit)
		return err
	})
`,
		to: `	var next inboxRange
	err := s.writeAlone(ctx, func(t *tx) (err error) {
		if next, err = t.nextRange(limit); err == nil && next.count > 0 {
			err = t.moveCursor(next.last)
		}
		return err
	})
	if err == nil {
		err = s.writeAlone(ctx, func(t *tx) error {
			applied = jobs.Applied{Read: next.count, More: next.more}
			if next.count > 0 {
				if err := t.applyRange(next, at, &applied); err != nil {
					return err
				}
			}
			_, err := t.releaseHeld(at)
			return err
		})
	}
`,
	},
	{
		name: "the grace after a deadline is omitted", promise: "P1", file: "orchestrator/deadline.go",
		from: `return j.SubmittedAt.Add(o.jobTimeout(b, j) + o.cfg.DeadlineGrace)`,
		to:   `return j.SubmittedAt.Add(o.jobTimeout(b, j))`,
	},
	{
		name: "a row's own timeout is ignored", promise: "P1", file: "orchestrator/submit.go",
		from: `return cmp.Or(j.Timeout, b.JobTimeout, o.cfg.JobTimeout)`,
		to:   `return cmp.Or(b.JobTimeout, o.cfg.JobTimeout)`,
	},
	{
		name: "a row with a callback URL is a duplicate of one without", promise: "P1", file: "jobs/sqlite/requests.go",
		from: `if r.CallbackURL != "" { // different callback`,
		to:   `if r.CallbackURL == "-" { // different callback`,
	},
	{
		name: "a late result raises no revision", promise: "P5", file: "jobs/sqlite/batchend.go",
		from: "const reviseBatches = `UPDATE batches SET revision = revision + 1, wake_at = 0",
		to:   "const reviseBatches = `UPDATE batches SET wake_at = 0",
	},
	{
		name: "a summary counts as published before it is stored", promise: "P5", file: "jobs/sqlite/summaries.go",
		from: `		stored = true
		_, err = t.exec(` + "`" + `INSERT INTO summaries (batch_seq, revision, at, data) VALUES (?, ?, ?, ?)` + "`" + `,
			seq, revision, at.UnixMilli(), data)
		return err
	})
`,
		to: `		stored = true
		return nil
	})
	if err == nil && stored {
		err = s.write(ctx, func(t *tx) error {
			_, err = t.exec(` + "`" + `INSERT INTO summaries (batch_seq, revision, at, data) VALUES ((SELECT seq FROM batches WHERE id = ?), ?, ?, ?)` + "`" + `,
				batch, revision, at.UnixMilli(), data)
			return err
		})
	}
`,
	},
	{
		name: "a batch finishes while a job is pending", promise: "P6", file: "jobs/sqlite/batchend.go",
		from: `AND queued = 0 AND submitting = 0 AND pending = 0 AND seq `,
		to:   `AND queued = 0 AND submitting = 0 AND seq `,
	},
	{
		name: "pending work keeps its generation", promise: "P8", file: "jobs/sqlite/work.go",
		from: "claimWork = `UPDATE batches SET generation = generation + 1, wake_at = ?",
		to:   "claimWork = `UPDATE batches SET wake_at = ?",
	},
	{
		name: "a lost deadline is not enqueued again", promise: "P8", file: "orchestrator/sweep.go",
		from: `		o.enqueueOverdue(ctx),
`,
		to: ``,
	},
	{
		name: "a partial import is never removed", promise: "P1, P8", file: "orchestrator/sweep.go",
		from: `		onlyError(o.removeStaleImports(ctx)),
`,
		to: ``,
	},
	{
		name: "an import reports success although its batch was not opened", promise: "P1", file: "orchestrator/import.go",
		from: `	return store.OpenBatch(ctx, batch, clock.Now())
`,
		to: `	opened, _ := store.OpenBatch(ctx, batch, clock.Now())
	return opened, nil
`,
	},
	{
		name: "an import is visible before it is complete", promise: "P1, P8", file: "jobs/sqlite/imports.go",
		from: `	if err := s.markDuplicates(ctx, batch); err != nil {
		return err
	}
	if err := s.rankRows(ctx, batch); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
`,
		to: `	defer func() { _ = s.markDuplicates(ctx, batch) }()
	return s.write(ctx, func(t *tx) error {
`,
	},
	{
		name: "an older attempt's failure fails the newer one", promise: "P1", file: "jobs/sqlite/close.go",
		from: `		(j.state IN ('pending', 'submitting', 'timed_out') AND o.attempt = j.attempt)
`,
		to: `		(j.state IN ('pending', 'submitting', 'timed_out'))
`,
	},
	{
		name: "a retried job keeps its old screenshot", promise: "P1", file: "jobs/sqlite/retry.go",
		from: `	screenshot_id = '', image_url = '', error = '', submitted_at = NULL`,
		to:   `	image_url = '', error = '', submitted_at = NULL`,
	},
	{
		name: "a job is canceled while its create is under way", promise: "P2, P3", file: "jobs/sqlite/cancel.go",
		from: "`(state IN ('queued', 'pending') OR state = 'submitting' AND NOT ` + createUnderWay + `)`",
		to:   "`(state IN ('queued', 'pending', 'submitting'))`",
	},
	{
		name: "a retry leaves its batch finished", promise: "P6", file: "jobs/sqlite/retry.go",
		from: "UPDATE batches SET state = 'open', finished_at = NULL\n",
		to:   "UPDATE batches SET finished_at = NULL\n",
	},
}
