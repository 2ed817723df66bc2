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
	// hold any number of pictures of the same page.
	searchPages = 5
)

// resolveDoubts looks up submissions whose create may have taken effect
// without an answer: by their tag, many of one batch in one listing. What is
// found is adopted. What is not found is looked up again until the settle time
// is over, then searched for by URL, and only if that whole look-up was begun
// after the settle time is it queued to be sent anew.
func (o *Orchestrator) resolveDoubts(ctx context.Context) error {
	_, err := o.resolveDue(ctx, o.clock.Now())
	return err
}

// resolveDue looks up a portion of the doubts whose look-up was due by now, and
// returns how many it claimed: 0 when none is left.
func (o *Orchestrator) resolveDue(ctx context.Context, now time.Time) (claimed int, err error) {
	doubts, err := o.store.ClaimDoubts(ctx, now, o.clock.Now().Add(o.cfg.RequestTimeout+doubtEvery), doubtChunk)
	if err != nil {
		return 0, fmt.Errorf("resolve doubts: %w", err)
	}
	defer func() {
		// Also after a look-up that failed. If this fails, the claim ends by itself.
		if err := o.store.RecheckDoubts(context.WithoutCancel(ctx), doubts, o.clock.Now().Add(doubtEvery)); err != nil {
			o.logError(ctx, "set the next look-up of doubts", err)
		}
	}()
	byBatch := map[string][]jobs.Submission{}
	for _, d := range doubts {
		byBatch[d.Job.Batch] = append(byBatch[d.Job.Batch], d)
	}
	return len(doubts), eachBatch(ctx, "resolve doubts", byBatch, func(batch string, doubts []jobs.Submission) error {
		return o.resolveBatch(ctx, batch, doubts, now)
	})
}

func (o *Orchestrator) resolveBatch(ctx context.Context, batch string, doubts []jobs.Submission, began time.Time) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return err
	}
	missing, err := o.findByTag(ctx, b, doubts)
	if err != nil {
		return err
	}
	settledBefore := began.Add(-o.cfg.Settle)
	var unsettled []jobs.Submission
	var failures []error
	for _, d := range missing {
		if d.DoubtSince.After(settledBefore) {
			continue
		}
		found, err := o.findSurely(ctx, b, d)
		switch {
		case stopsAll(ctx, err):
			return errors.Join(append(failures, err)...)
		case err != nil: // this one waits; the others do not wait for it
			failures = append(failures, err)
		case !found:
			unsettled = append(unsettled, d)
		}
	}
	return errors.Join(append(failures, o.resend(ctx, batch, unsettled, settledBefore))...)
}

func (o *Orchestrator) resend(ctx context.Context, batch string, unsettled []jobs.Submission, settledBefore time.Time) error {
	if len(unsettled) == 0 {
		return nil
	}
	effects, err := o.store.Resend(ctx, unsettled, settledBefore, o.clock.Now())
	o.took(effects)
	if err != nil || effects.Requeued == 0 {
		return err
	}
	o.observer.Doubts(0, 0, effects.Requeued)
	o.log.Info("creates without effect are sent anew", "batch", batch, "count", effects.Requeued)
	nudge(o.nudgeWatcher)
	return nil
}

// findByTag returns the submissions that no listing showed.
func (o *Orchestrator) findByTag(ctx context.Context, b jobs.Batch, doubts []jobs.Submission) ([]jobs.Submission, error) {
	missing := slices.Clone(doubts)
	listing := func(tag string) error {
		return o.list(ctx, client.ListOptions{Tag: tag}, b.ID, func(shots []client.Screenshot) (bool, error) {
			found, err := o.adopt(ctx, b, shots)
			missing = slices.DeleteFunc(missing, func(s jobs.Submission) bool { return found[s.Tag()] })
			return len(missing) > 0, err
		})
	}
	if listingPays(b.Counts, len(doubts)) {
		err := listing(jobs.BatchTag(b.ID))
		return missing, err
	}
	for _, d := range doubts {
		if err := listing(d.Tag()); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// findSurely lists by the submission's own tag, since a vendor may match only
// the first one, and then searches by URL. A search that the vendor refuses
// for good, such as that for an odd URL, leaves the decision to the listing. A
// row that cannot be read but mentions the tag may be the screenshot. If its id can
// be read, that is adopted. Else it is an error that none was found.
func (o *Orchestrator) findSurely(ctx context.Context, b jobs.Batch, d jobs.Submission) (found bool, err error) {
	var odd *client.RowError
	look := func(shots []client.Screenshot) error {
		tags, err := o.adopt(ctx, b, shots)
		found = found || tags[d.Tag()]
		for _, shot := range shots {
			if shot.Odd != nil && shot.Odd.Mentions(d.Tag()) {
				odd = shot.Odd
			}
		}
		return err
	}
	err = o.list(ctx, client.ListOptions{Tag: d.Tag()}, b.ID, func(shots []client.Screenshot) (bool, error) {
		err := look(shots)
		return !found, err
	})
	if err != nil || found {
		return found, err
	}
	err = o.findByURL(ctx, b, d, func(shots []client.Screenshot) (bool, error) {
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
		return true, o.record(ctx, b, []jobs.Observation{seen})
	}
	return false, fmt.Errorf("the screenshot of %s may be in a row that cannot be read: %w", d.Tag(), odd)
}

// refusedForGood reports an answer to a search that asking again will not change.
func refusedForGood(err error) bool {
	var refused *client.APIError
	var limited *client.RateLimitError
	return errors.As(err, &refused) && !errors.As(err, &limited) &&
		(errors.Is(err, client.ErrInvalid) || refused.Status == http.StatusRequestURITooLong)
}

// findByURL is the last look before money is spent again, for vendors whose
// listing by tag does not show a screenshot. It hands on what it finds until
// take wants no more.
func (o *Orchestrator) findByURL(ctx context.Context, b jobs.Batch, d jobs.Submission, take func([]client.Screenshot) (more bool, err error)) error {
	job, err := o.store.Job(ctx, d.Job)
	if err != nil {
		return err
	}
	left := searchPages
	options := client.SearchOptions{URL: job.URL, Limit: listPage}
	return o.pages(ctx, b.ID, "search screenshots", func(offset int) ([]client.Screenshot, error) {
		options.Offset = offset
		return o.vendor.Search(ctx, options)
	}, func(shots []client.Screenshot) (bool, error) {
		more, err := take(shots)
		left--
		return more && left > 0, err
	})
}

// adopt records all screenshots that carry a submission's tag, and returns
// those tags.
func (o *Orchestrator) adopt(ctx context.Context, b jobs.Batch, shots []client.Screenshot) (map[string]bool, error) {
	found := map[string]bool{}
	for _, shot := range shots {
		for _, tag := range shot.Tags {
			found[tag] = true
		}
	}
	return found, o.record(ctx, b, newMatcher(nil).match(shots))
}
