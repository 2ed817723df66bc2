package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"shotline/client"
	"shotline/jobs"
)

const (
	doubtChunk = 500
	doubtEvery = 2 * time.Second
	// searchPages bounds the search by URL for one submission: an account may
	// hold any number of screenshots of the same page.
	searchPages = 5
)

// resolveDoubts looks up submissions whose create got no answer and might have
// taken effect: by their tags, many of one batch in one listing. If a screenshot is
// found, it is adopted. If none is found, the look-up is repeated until the settle
// time is over. Then the vendor is searched by URL, and only if that whole look-up
// began after the settle time, the create is queued to be sent again.
func (o *Orchestrator) resolveDoubts(ctx context.Context) error {
	_, _, err := o.resolveDue(ctx, o.vendor, o.clock.Now())
	return err
}

// resolveDue looks up a portion of the doubts whose look-up was due by now, and
// returns how many it claimed: 0 if none is left.
func (o *Orchestrator) resolveDue(ctx context.Context, q queries, now time.Time) (claimed int, changed changes, err error) {
	doubts, err := o.store.ClaimDoubts(ctx, now, o.clock.Now().Add(o.cfg.RequestTimeout+doubtEvery), doubtChunk)
	if err != nil {
		return 0, changes{}, fmt.Errorf("resolve doubts: %w", err)
	}
	defer func() {
		// Also after a failed look-up. If this fails, the claim ends by itself.
		if err := o.store.RecheckDoubts(context.WithoutCancel(ctx), doubts, o.clock.Now().Add(doubtEvery)); err != nil {
			o.logError(ctx, "set the next look-up of doubts", err)
		}
	}()
	byBatch := map[string][]jobs.Submission{}
	for _, d := range doubts {
		byBatch[d.Job.Batch] = append(byBatch[d.Job.Batch], d)
	}
	err = eachBatch(ctx, "resolve doubts", byBatch, func(batch string, doubts []jobs.Submission) error {
		part, err := o.resolveBatch(ctx, q, batch, doubts, now)
		changed = changed.plus(part)
		return err
	})
	return len(doubts), changed, err
}

func (o *Orchestrator) resolveBatch(ctx context.Context, q queries, batch string, doubts []jobs.Submission, began time.Time) (changes, error) {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return changes{}, err
	}
	l := o.lookup(q, b)
	missing, err := l.findByTag(ctx, doubts)
	if err != nil {
		return l.changes, err
	}
	settledBefore := began.Add(-o.cfg.Settle)
	var unsettled []jobs.Submission
	var failures []error
	for _, d := range missing {
		if d.DoubtSince.After(settledBefore) {
			continue
		}
		found, err := l.findThoroughly(ctx, d)
		switch {
		case stopsAll(ctx, err):
			return l.changes, errors.Join(append(failures, err)...)
		case err != nil: // this one waits; the others do not wait for it
			failures = append(failures, err)
		case !found:
			unsettled = append(unsettled, d)
		}
	}
	resent, err := o.resend(ctx, batch, unsettled, settledBefore)
	return l.changes.plus(resent), errors.Join(append(failures, err)...)
}

// resend queues the jobs of submissions whose creates had no effect.
func (o *Orchestrator) resend(ctx context.Context, batch string, unsettled []jobs.Submission, settledBefore time.Time) (changes, error) {
	if len(unsettled) == 0 {
		return changes{}, nil
	}
	effects, err := o.store.Resend(ctx, unsettled, settledBefore, o.clock.Now())
	o.report(effects)
	changed := changesOf(effects)
	changed.resent = effects.Requeued
	if err != nil || effects.Requeued == 0 {
		return changed, err
	}
	o.observer.Doubts(0, 0, effects.Requeued)
	o.log.Info("creates without effect are sent again", "batch", batch, "count", effects.Requeued)
	nudge(o.nudgeWatcher)
	return changed, nil
}

// findByTag adopts the screenshots that listings of tags show, and returns the
// submissions that have none there.
func (l *lookup) findByTag(ctx context.Context, doubts []jobs.Submission) ([]jobs.Submission, error) {
	missing := slices.Clone(doubts)
	listing := func(tag string) error {
		return l.list(ctx, client.ListOptions{Tag: tag}, func(shots []client.Screenshot) (bool, error) {
			found, err := l.adopt(ctx, shots)
			missing = slices.DeleteFunc(missing, func(s jobs.Submission) bool { return found[s.Tag()] })
			return len(missing) > 0, err
		})
	}
	if listingPays(l.batch.Counts, len(doubts)) {
		err := listing(jobs.BatchTag(l.batch.ID))
		return missing, err
	}
	for _, d := range doubts {
		if err := listing(d.Tag()); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// findThoroughly lists by the submission's own tag, since a vendor might match only
// the first one, and then searches by URL. If the vendor refuses the search for
// good, because of an odd URL, say, the listing decides. A row that cannot be read
// but mentions the tag might be the screenshot. If its id can be read, it is
// adopted. Otherwise findThoroughly returns an error unless it finds another one.
func (l *lookup) findThoroughly(ctx context.Context, d jobs.Submission) (found bool, err error) {
	var odd *client.RowError
	look := func(shots []client.Screenshot) error {
		tags, err := l.adopt(ctx, shots)
		found = found || tags[d.Tag()]
		for _, shot := range shots {
			if shot.ReadError != nil && shot.ReadError.Mentions(d.Tag()) {
				odd = shot.ReadError
			}
		}
		return err
	}
	err = l.list(ctx, client.ListOptions{Tag: d.Tag()}, func(shots []client.Screenshot) (bool, error) {
		err := look(shots)
		return !found, err
	})
	if err != nil || found {
		return found, err
	}
	err = l.findByURL(ctx, d, func(shots []client.Screenshot) (bool, error) {
		err := look(shots)
		return !found, err
	})
	if refusedForGood(err) {
		err = nil
	}
	if err != nil || found || odd == nil {
		return found, err
	}
	if id := odd.ID(); id != "" {
		seen := jobs.Observation{Job: d.Job, Attempt: d.Attempt, ScreenshotID: id, Outcome: jobs.OutcomeProcessing}
		return true, l.record(ctx, []jobs.Observation{seen})
	}
	return false, fmt.Errorf("the screenshot of %s might be in a row that cannot be read: %w", d.Tag(), odd)
}

// refusedForGood reports whether the vendor refused a search and would refuse it
// again.
func refusedForGood(err error) bool {
	var refused *client.APIError
	var limited *client.RateLimitError
	return errors.As(err, &refused) && !errors.As(err, &limited) &&
		(errors.Is(err, client.ErrInvalid) || refused.Status == http.StatusRequestURITooLong)
}

// findByURL is the last look-up before money is spent again, for vendors whose
// listing by tag does not show a screenshot. It passes the screenshots that it finds
// to take until that wants no more.
func (l *lookup) findByURL(ctx context.Context, d jobs.Submission, take func([]client.Screenshot) (more bool, err error)) error {
	job, err := l.store.Job(ctx, d.Job)
	if err != nil {
		return err
	}
	left := searchPages
	options := client.SearchOptions{URL: job.URL, Limit: listPage}
	return l.pages(ctx, "search screenshots", func(offset int) ([]client.Screenshot, error) {
		options.Offset = offset
		return l.vendor.Search(ctx, options)
	}, func(shots []client.Screenshot) (bool, error) {
		more, err := take(shots)
		left--
		return more && left > 0, err
	})
}
