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
	// without any that is wanted, those behind are not worth a call.
	heldPages  = 20
	heldInVain = 3
	heldSingly = 20
)

// heldAge is how old a held delivery is before the vendor is asked about it: older
// than any create whose answer may still come, since that comes within its lease.
func (c Config) heldAge() time.Duration { return c.leaseTime() + c.RequestTimeout }

// settleHeld lets the store decide about held deliveries also when nothing new
// comes in. Where many are held it asks the vendor about the oldest: see
// jobs.Inbox.
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
	asked := heldAsked{o: o, missing: make(map[string]bool, len(oldest))}
	for _, id := range oldest {
		asked.missing[id] = true
	}
	askErr := asked.ask(ctx, oldest)
	// What was heard before an error counts.
	disowned, err := o.store.Disown(ctx, asked.told, o.clock.Now())
	if err == nil && disowned > 0 {
		o.strangers.Add(int64(disowned))
		o.log.Info("held deliveries are of other programs", "count", disowned, "held", all)
	}
	if askErr = errors.Join(askErr, err); askErr != nil {
		return fmt.Errorf("ask about %d held deliveries: %w", all, askErr)
	}
	return nil
}

// heldAsked is what the vendor said of the screenshots of held deliveries.
type heldAsked struct {
	o       *Orchestrator
	missing map[string]bool // nothing was said about these yet
	told    []string
}

// ask goes through the account's newest screenshots, as long as pages show some of
// those that are wanted, and then asks singly for the oldest.
func (h *heldAsked) ask(ctx context.Context, oldest []string) error {
	left, inVain := heldPages, 0
	err := h.o.list(ctx, client.ListOptions{}, "", func(shots []client.Screenshot) (bool, error) {
		before := len(h.told)
		err := h.take(ctx, shots)
		left--
		if inVain++; len(h.told) > before {
			inVain = 0
		}
		return inVain < heldInVain && len(h.missing) > 0 && left > 0, err
	})
	if err != nil {
		return err
	}
	return h.singly(ctx, slices.DeleteFunc(oldest, func(id string) bool { return !h.missing[id] }))
}

// singly asks for a few screenshots, one by one. An error about one of them does not
// keep the others from being asked for: the next sweep begins behind as many as
// failed.
func (h *heldAsked) singly(ctx context.Context, oldest []string) error {
	if len(oldest) == 0 {
		return nil
	}
	skip := int(h.o.heldSkip.Load()) % len(oldest)
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
	h.o.heldSkip.Store(int64(skip + len(failures)))
	return errors.Join(failures...)
}

// one asks for one screenshot. One that the vendor does not know any more cannot
// be found for a submission of ours either.
func (h *heldAsked) one(ctx context.Context, id string) error {
	shot, err := h.o.vendor.Info(ctx, id)
	switch {
	case errors.Is(err, client.ErrNotFound):
		h.tell(id)
		return nil
	case err != nil:
		return h.o.vendorError("look up screenshot "+id, err)
	}
	return h.take(ctx, []client.Screenshot{shot})
}

// take observes what is ours, and notes all that the vendor told of.
func (h *heldAsked) take(ctx context.Context, shots []client.Screenshot) error {
	byBatch := map[string][]jobs.Observation{}
	for _, found := range newMatcher(nil).match(shots) {
		if h.missing[found.ScreenshotID] {
			byBatch[found.Job.Batch] = append(byBatch[found.Job.Batch], found)
		}
	}
	err := eachBatch(ctx, "adopt what is held", byBatch, func(batch string, found []jobs.Observation) error {
		b, err := h.o.store.Batch(ctx, batch)
		if errors.Is(err, jobs.ErrNotFound) {
			return nil // of another database on the same account
		}
		if err != nil {
			return err
		}
		return h.o.record(ctx, b, found)
	})
	if err != nil {
		return err
	}
	for _, shot := range shots {
		if h.missing[shot.ID] {
			h.tell(shot.ID)
		}
	}
	return nil
}

func (h *heldAsked) tell(id string) {
	delete(h.missing, id)
	h.told = append(h.told, id)
}
