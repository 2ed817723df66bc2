package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"shotline/client"
	"shotline/jobs"
)

const (
	// listPage is the page size that we ask for. The vendor's largest page is
	// unknown, so a shorter page does not mean the end: only an empty one does.
	listPage = 100
	// listEnd stops a listing that never has an empty page.
	listEnd = 20_000
)

// queries are the calls of a Vendor that cost nothing.
type queries interface {
	Info(ctx context.Context, id string) (client.Screenshot, error)
	List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error)
	Search(ctx context.Context, o client.SearchOptions) ([]client.Screenshot, error)
}

// lookup queries the vendor about jobs of one batch and records the answers. One
// goroutine uses it.
type lookup struct {
	*Orchestrator
	vendor  queries    // in place of the orchestrator's
	batch   jobs.Batch // zero: calls are not counted for a batch
	changes changes    // effects of the recorded answers
}

func (o *Orchestrator) lookup(q queries, b jobs.Batch) *lookup {
	return &lookup{Orchestrator: o, vendor: q, batch: b}
}

// lookUp queries the vendor about jobs and records its answers. It returns the
// jobs that are unknown to the vendor. An error means that the vendor could not be
// queried; the answers before it are recorded.
func (l *lookup) lookUp(ctx context.Context, wanted []jobs.Job, thorough bool) (unknown []jobs.Job, err error) {
	return l.query(ctx, newMatcher(wanted), wanted, thorough, l.recorder(ctx))
}

// query queries the vendor about jobs, by listing the batch's tag or one by one,
// whichever takes fewer calls, and passes the answers to take. A listing might lag:
// only if thorough is set, the jobs that it left out are queried one by one.
// Jobs without an answer stay missing in the matcher. Those that the vendor does
// not know are returned.
func (l *lookup) query(ctx context.Context, m *matcher, wanted []jobs.Job, thorough bool, take func([]jobs.Observation) error) (unknown []jobs.Job, err error) {
	singly := true
	if listingPays(l.batch.Counts, len(wanted)) {
		err = l.list(ctx, client.ListOptions{Tag: jobs.BatchTag(l.batch.ID)}, func(shots []client.Screenshot) (bool, error) {
			err := take(m.match(shots))
			return len(m.missing) > 0, err
		})
		// If a listing shows none of the jobs, the vendor probably does not match
		// the batch's tag, since it is not the first one.
		singly = thorough || len(m.missing) == len(wanted)
	}
	if err != nil || !singly {
		return nil, err
	}
	return l.querySingly(ctx, m, wanted, take)
}

// querySingly queries the vendor about each job that is missing in m, and passes
// the answers to take. It returns the jobs that are unknown to the vendor.
func (l *lookup) querySingly(ctx context.Context, m *matcher, wanted []jobs.Job, take func([]jobs.Observation) error) (unknown []jobs.Job, err error) {
	for _, j := range wanted {
		if err != nil || !m.missing[j.ID] {
			continue
		}
		shot, known, infoErr := l.info(ctx, j)
		var answer *client.APIError
		var limited *client.RateLimitError
		switch {
		case infoErr == nil && known:
			err = take(m.match([]client.Screenshot{shot}))
		case infoErr == nil:
			unknown = append(unknown, j)
		case errors.As(infoErr, &answer) && !errors.As(infoErr, &limited) && !errors.Is(infoErr, client.ErrUnauthorized):
			// The vendor answers, and fails for this screenshot only.
			l.log.Warn("look up screenshot", "job", j.ID.String(), "error", infoErr)
		default:
			err = infoErr
		}
	}
	return unknown, err
}

// listingPays reports whether a whole listing takes fewer calls than single ones.
func listingPays(c jobs.Counts, singles int) bool {
	submitted := c.Accepted() - c.Of(jobs.Queued)
	return submitted/listPage+1 < int64(singles)
}

// info returns the screenshot of a job. An unknown screenshot is not an error.
func (l *lookup) info(ctx context.Context, j jobs.Job) (shot client.Screenshot, known bool, err error) {
	shot, err = l.vendor.Info(ctx, j.ScreenshotID)
	if !errors.Is(err, ErrNoKey) { // without a key nothing was sent
		if err := l.store.CountCalls(context.WithoutCancel(ctx), l.batch.ID, 1); err != nil {
			return shot, false, err
		}
	}
	switch {
	case errors.Is(err, client.ErrNotFound):
		return shot, false, nil
	case err != nil:
		return shot, false, l.vendorError("look up screenshot "+j.ScreenshotID, err)
	}
	return shot, true, nil
}

// list reads the pages of a listing, newest screenshots first, until one is empty
// or take wants no more.
func (l *lookup) list(ctx context.Context, options client.ListOptions, take func([]client.Screenshot) (more bool, err error)) error {
	options.Limit = listPage
	return l.pages(ctx, "list screenshots", func(offset int) ([]client.Screenshot, error) {
		options.Offset = offset
		return l.vendor.List(ctx, options)
	}, take)
}

// pages reads pages until one is empty or take wants no more. It counts the calls
// for the batch.
func (l *lookup) pages(ctx context.Context, op string, page func(offset int) ([]client.Screenshot, error), take func([]client.Screenshot) (bool, error)) error {
	calls := 0
	defer func() {
		if calls == 0 || l.batch.ID == "" {
			return
		}
		if err := l.store.CountCalls(context.WithoutCancel(ctx), l.batch.ID, calls); err != nil {
			l.logError(ctx, "count vendor calls", fmt.Errorf("batch %s: %w", l.batch.ID, err))
		}
	}()
	for offset := 0; calls < listEnd; {
		shots, err := page(offset)
		if !errors.Is(err, ErrNoKey) { // without a key nothing was sent
			calls++
		}
		if err != nil {
			return l.vendorError(op, err)
		}
		if len(shots) == 0 {
			return nil
		}
		l.warnOdd(op, shots)
		offset += len(shots)
		if more, err := take(shots); err != nil || !more {
			return err
		}
	}
	return fmt.Errorf("%s: no end after %d pages", op, calls)
}

// warnOdd logs how many rows of a page could not be read, and the reason of the
// first.
func (l *lookup) warnOdd(op string, shots []client.Screenshot) {
	var first *client.RowError
	odd := 0
	for _, shot := range shots {
		if shot.ReadError == nil {
			continue
		}
		if odd++; first == nil {
			first = shot.ReadError
		}
	}
	if odd > 0 {
		l.log.Warn(op+": rows left out that cannot be read", "batch", l.batch.ID, "rows", odd, "error", first)
	}
}

// recorder returns record for query.
func (l *lookup) recorder(ctx context.Context) func([]jobs.Observation) error {
	return func(found []jobs.Observation) error { return l.record(ctx, found) }
}

// record stores observations.
func (l *lookup) record(ctx context.Context, observations []jobs.Observation) error {
	if len(observations) == 0 {
		return nil
	}
	now := l.clock.Now()
	// A job that has its own timeout gets its own deadline.
	effects, err := l.store.Observe(ctx, observations, jobs.ByPoll, now, now.Add(l.jobTimeout(l.batch, jobs.Job{})))
	l.changes = l.changes.plus(changesOf(effects))
	if err != nil {
		return err
	}
	l.observer.Doubts(0, effects.Adopted, 0)
	l.report(effects)
	return nil
}

// adopt records all screenshots that carry a submission's tag, and returns their
// tags.
func (l *lookup) adopt(ctx context.Context, shots []client.Screenshot) (map[string]bool, error) {
	found := map[string]bool{}
	for _, shot := range shots {
		for _, tag := range shot.Tags {
			found[tag] = true
		}
	}
	return found, l.record(ctx, newMatcher(nil).match(shots))
}

// vendorError adds what was queried to an error. After a rate limit it also pauses
// creates, since both use the same account.
func (o *Orchestrator) vendorError(op string, err error) error {
	var limited *client.RateLimitError
	if errors.As(err, &limited) {
		o.throttle.PauseFor(limited.Delay)
	}
	return fmt.Errorf("%s: %w", op, err)
}
