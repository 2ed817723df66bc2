package feed

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// followPage is how many events Follow sends at once.
const followPage = 200

// Follow calls send with the events that filter selects, in their order and each
// once, until ctx ends, send returns an error, or the feed stops. It returns that
// error. Each call of send also gets the position up to which the log has been read:
// a later Follow whose filter.After is that position continues where this one ended.
// If there are no events for the time of beat, Follow calls send without events.
// Events that are pruned before they are read are left out; see EventRange of the
// store. filter.Limit is ignored.
func (f *Feed) Follow(ctx context.Context, filter jobs.EventFilter, beat time.Duration, send func(page []jobs.Event, upTo int64) error) error {
	s, err := f.subscribe(ctx, topic{kind: anyEvent})
	if err != nil {
		return err
	}
	defer f.unsubscribe(s)
	filter.Limit = followPage
	silence := time.NewTimer(beat)
	defer silence.Stop()
	for {
		page, upTo, err := f.page(ctx, filter)
		if err != nil {
			return fmt.Errorf("follow the log: %w", err)
		}
		advanced := upTo > filter.After
		filter.After = upTo
		if len(page) > 0 {
			if err := send(page, upTo); err != nil {
				return err
			}
			silence.Reset(beat)
		}
		if advanced {
			signal(s.woken) // there might be a further page
		}
		select {
		case <-s.woken:
		case <-silence.C:
			if err := send(nil, upTo); err != nil {
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

// page returns the next page from memory, or from the store if memory does not
// reach back so far.
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
