package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/client"
	"shotline/jobs"
)

const (
	heldChunk = 1000
	// heldPages and heldSingly bound the calls of one sweep. After heldInVain pages
	// without a wanted screenshot, further pages are not worth a call.
	heldPages  = 20
	heldInVain = 3
	heldSingly = 20
)

// heldAge is how old a held delivery must be before the vendor is queried about it.
// It is older than any create whose answer can still come, since that comes within
// its lease.
func (c Config) heldAge() time.Duration { return c.leaseTime() + c.RequestTimeout }

// settleHeld lets the store decide about held deliveries even if no new ones
// arrive. If many are held, it queries the vendor about the oldest: see jobs.Inbox.
func (o *Orchestrator) settleHeld(ctx context.Context) error {
	if _, err := o.CloseOnce(ctx); err != nil {
		return err
	}
	now := o.clock.Now()
	_, all, err := o.store.Held(ctx, now, 0)
	if err != nil || all < max(o.cfg.MaxHeld/2, 1) {
		return err
	}
	oldest, _, err := o.store.Held(ctx, now.Add(-o.cfg.heldAge()), heldChunk)
	if err != nil || len(oldest) == 0 {
		return err
	}
	query := heldQuery{Orchestrator: o, missing: make(map[string]bool, len(oldest))}
	for _, id := range oldest {
		query.missing[id] = true
	}
	queryErr := query.run(ctx, oldest)
	// The answers before an error count.
	disowned, err := o.store.Disown(ctx, query.answered, o.clock.Now())
	if err == nil && disowned > 0 {
		o.foreign.Add(int64(disowned))
		o.log.Info("held deliveries are of other programs", "count", disowned, "held", all)
	}
	if err := errors.Join(queryErr, err); err != nil {
		return fmt.Errorf("query the vendor about %d held deliveries: %w", all, err)
	}
	return nil
}

// heldQuery queries the vendor about the screenshots of held deliveries.
type heldQuery struct {
	*Orchestrator
	missing  map[string]bool // no answer about these yet
	answered []string
}

// run reads the account's newest screenshots as long as pages show some of the
// wanted ones, and then queries the oldest one by one.
func (h *heldQuery) run(ctx context.Context, oldest []string) error {
	left, inVain := heldPages, 0
	err := h.lookup(h.vendor, jobs.Batch{}).list(ctx, client.ListOptions{}, func(shots []client.Screenshot) (bool, error) {
		before := len(h.answered)
		err := h.take(ctx, shots)
		left--
		if inVain++; len(h.answered) > before {
			inVain = 0
		}
		return inVain < heldInVain && len(h.missing) > 0 && left > 0, err
	})
	if err != nil {
		return err
	}
	return h.singly(ctx, slices.DeleteFunc(oldest, func(id string) bool { return !h.missing[id] }))
}

// singly queries a few screenshots, one by one. An error about one of them does not
// stop the others. The next sweep skips as many as failed.
func (h *heldQuery) singly(ctx context.Context, oldest []string) error {
	if len(oldest) == 0 {
		return nil
	}
	skip := int(h.heldSkip.Load()) % len(oldest)
	var failures []error
	for i := range min(len(oldest), heldSingly) {
		err := h.one(ctx, oldest[(skip+i)%len(oldest)])
		if stopsAll(ctx, err) {
			return errors.Join(append(failures, err)...)
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	h.heldSkip.Store(int64(skip + len(failures)))
	return errors.Join(failures...)
}

// one queries one screenshot. If the vendor does not know it, it cannot be found
// for a submission of ours either.
func (h *heldQuery) one(ctx context.Context, id string) error {
	shot, err := h.vendor.Info(ctx, id)
	switch {
	case errors.Is(err, client.ErrNotFound):
		h.noteAnswer(id)
		return nil
	case err != nil:
		return h.vendorError("look up screenshot "+id, err)
	}
	return h.take(ctx, []client.Screenshot{shot})
}

// take records the screenshots that are ours, and notes all wanted ones as
// answered.
func (h *heldQuery) take(ctx context.Context, shots []client.Screenshot) error {
	byBatch := map[string][]jobs.Observation{}
	for _, found := range newMatcher(nil).match(shots) {
		if h.missing[found.ScreenshotID] {
			byBatch[found.Job.Batch] = append(byBatch[found.Job.Batch], found)
		}
	}
	err := eachBatch(ctx, "adopt screenshots of held deliveries", byBatch, func(batch string, found []jobs.Observation) error {
		b, err := h.store.Batch(ctx, batch)
		if errors.Is(err, jobs.ErrNotFound) {
			return nil // of another database on the same account
		}
		if err != nil {
			return err
		}
		return h.lookup(h.vendor, b).record(ctx, found)
	})
	if err != nil {
		return err
	}
	for _, shot := range shots {
		if h.missing[shot.ID] {
			h.noteAnswer(shot.ID)
		}
	}
	return nil
}

func (h *heldQuery) noteAnswer(id string) {
	delete(h.missing, id)
	h.answered = append(h.answered, id)
}
