package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// recent are the newest events that a feed has read, so that many who follow the
// log do not each read it.
type recent struct {
	from   int64 // all events after this place and
	upTo   int64 // up to this one
	events []jobs.Event
	most   int // of them, or twice as many for a moment
}

func (r *recent) add(page []jobs.Event, upTo int64) {
	r.events = append(r.events, page...)
	r.upTo = upTo
	if len(r.events) <= 2*r.most {
		return
	}
	cut := len(r.events) - r.most
	r.from = r.events[cut-1].Seq
	r.events = slices.Delete(r.events, 0, cut)
}

// page is a page of the log as jobs.Store's Events returns it; it is not ok when
// the filter asks for older ones.
func (r *recent) page(f jobs.EventFilter) (page []jobs.Event, upTo int64, ok bool) {
	if f.After < r.from {
		return nil, 0, false
	}
	first, _ := slices.BinarySearchFunc(r.events, f.After+1, func(e jobs.Event, seq int64) int { return int(e.Seq - seq) })
	for _, e := range r.events[first:] {
		if !f.Selects(e) {
			continue
		}
		page = append(page, e)
		if len(page) == f.Limit {
			return page, e.Seq, true
		}
	}
	return page, max(f.After, r.upTo), true
}

// followPage is how many events are told at once.
const followPage = 200

// Follow tells of the events that f selects, in their order and none twice, until
// ctx ends, tell returns an error, or the feed stops. Each time it tells how far
// the log has been looked through; f.After set to that goes on where this ended.
// When nothing happens for the time of a beat, tell hears of no events. What was
// pruned meanwhile is left out, see EventRange of the store. f.Limit has no
// meaning here.
func (f *Feed) Follow(ctx context.Context, filter jobs.EventFilter, beat time.Duration, tell func(page []jobs.Event, upTo int64) error) error {
	w, err := f.join(ctx, topic{of: aboutEvents})
	if err != nil {
		return err
	}
	defer f.leave(w)
	filter.Limit = followPage
	silence := time.NewTimer(beat)
	defer silence.Stop()
	for {
		page, upTo, err := f.page(ctx, filter)
		if err != nil {
			return fmt.Errorf("follow the log: %w", err)
		}
		more := upTo > filter.After
		filter.After = upTo
		if len(page) > 0 {
			if err := tell(page, upTo); err != nil {
				return err
			}
			silence.Reset(beat)
		}
		if more {
			nudge(w.woken) // there may be more of it
		}
		select {
		case <-w.woken:
		case <-silence.C:
			if err := tell(nil, upTo); err != nil {
				return err
			}
			silence.Reset(beat)
		case <-ctx.Done():
			return ctx.Err()
		case <-f.stopping.Done():
			return f.stopping.Err()
		}
	}
}

// page is the next page from memory, or else from the store.
func (f *Feed) page(ctx context.Context, filter jobs.EventFilter) ([]jobs.Event, int64, error) {
	f.mu.Lock()
	page, upTo, ok := f.recent.page(filter)
	f.mu.Unlock()
	if ok {
		return page, upTo, nil
	}
	select {
	case f.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-f.stopping.Done():
		return nil, 0, f.stopping.Err()
	}
	defer func() { <-f.reading }()
	return f.store.Events(ctx, filter)
}
