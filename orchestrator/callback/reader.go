package callback

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"shotline/jobs"
)

const (
	sinkPrefix = "sink:" // of cursors and lanes
	// maxOwed is how many callbacks a sink may be owed before its reader leaves
	// further events in the log.
	maxOwed   = 10_000
	eventPage = 500
	// maxPageBytes bounds the bodies that are made before they are kept.
	maxPageBytes = 4 << 20
	// saveEvery is how often a cursor moves past events that are nobody's, which
	// costs a write.
	saveEvery = time.Second
)

// reader turns events into callbacks: those with a callback URL, or those that a
// sink wants. It belongs to the loop.
type reader struct {
	cursor string
	sink   *Sink // nil for callback URLs

	isOpen bool
	place  int64 // of the cursor in the store
	looked int64 // up to here there is nothing more to tell
	saved  time.Time
	full   bool // the sink is owed too much
}

func (r *reader) open(ctx context.Context, c *Deliverer) error {
	place, err := c.store.OpenCursor(ctx, r.cursor, c.now())
	if err != nil {
		return fmt.Errorf("open reader %s: %w", r.cursor, err)
	}
	r.isOpen, r.place, r.looked = true, place, place
	return nil
}

// readOnce reads one page. There is more when it may not have been the last.
func (r *reader) readOnce(ctx context.Context, c *Deliverer) (more bool, err error) {
	if !r.isOpen {
		if err := r.open(ctx, c); err != nil {
			return false, err
		}
	}
	if r.full {
		if isFull, err := r.isFull(ctx, c); err != nil || isFull {
			return false, err
		}
	}
	page, upTo, err := c.store.Events(ctx, jobs.EventFilter{After: r.looked, Calls: r.sink == nil, Limit: eventPage})
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	owed, told, err := r.tell(ctx, c, page)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	if told > 0 {
		upTo = told
	}
	if upTo <= r.place {
		return false, nil
	}
	now := c.now()
	// Between the cursor and here nothing is lost when this is read again.
	if len(owed) == 0 && now.Sub(r.saved) < saveEvery && !now.Before(r.saved) {
		more, r.looked = upTo > r.looked, upTo
		return more, nil
	}
	if len(owed) > 0 && r.sink != nil {
		if isFull, err := r.isFull(ctx, c); err != nil || isFull {
			return false, err
		}
	}
	moved, err := c.store.AddCallbacks(ctx, r.cursor, r.place, upTo, owed, now)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	if !moved { // another process was faster
		r.isOpen = false
		return true, nil
	}
	more = upTo > r.looked
	r.place, r.looked, r.saved = upTo, upTo, now
	return more, nil
}

// isFull is when the sink is owed as much as it may be. What else is for it stays
// in the log.
func (r *reader) isFull(ctx context.Context, c *Deliverer) (bool, error) {
	owed, err := c.store.CountOwed(ctx, r.cursor, c.maxOwed)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	isFull := owed >= c.maxOwed
	if isFull && !r.full {
		c.log.Warn("a sink takes too little: further events wait in the log", "sink", r.sink.Name, "owed", owed)
	}
	r.full = isFull
	return isFull, nil
}

// tell makes the callbacks of a page; when it holds too much for one, up to told.
func (r *reader) tell(ctx context.Context, c *Deliverer, page []jobs.Event) (owed []jobs.Callback, told int64, err error) {
	size := 0
	for _, e := range page {
		if r.sink != nil && !r.sink.mayWant(e.Type) {
			continue
		}
		m, err := jobs.NewMessage(ctx, c.store, e)
		if errors.Is(err, jobs.ErrNotFound) {
			c.log.Warn("an event tells of nothing that is there", append([]any{"event", e.ID(), "type", e.Type}, of(e.Job, e.Batch)...)...)
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if r.sink != nil && !r.sink.wants(m) {
			continue
		}
		owing, err := r.callback(e, m)
		if err != nil {
			return nil, 0, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		owed = append(owed, owing)
		if size += len(owing.Body); size >= maxPageBytes {
			return owed, e.Seq, nil
		}
	}
	return owed, 0, nil
}

func (r *reader) callback(e jobs.Event, m jobs.Message) (jobs.Callback, error) {
	owing := jobs.Callback{
		EventID: e.ID(), Type: e.Type, Event: e.Seq, Batch: e.Batch, Job: e.Job,
		Target: jobs.Target{URL: e.CallbackURL}, Lane: laneOf(e.CallbackURL),
	}
	format := FormatPlain
	if r.sink != nil {
		owing.Target, owing.Lane, format = jobs.Target{Sink: r.sink.Name}, r.cursor, r.sink.Format
	}
	var err error
	owing.Body, err = body(format, m)
	return owing, err
}

// laneOf is the scheme and host of a callback URL.
func laneOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return kindURL
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// ForgetOnce closes the cursors of sinks that are not configured any more, which
// would keep the log from being pruned. While another worker is alive, which may
// have other sinks, they stay.
func (c *Deliverer) ForgetOnce(ctx context.Context) error {
	cursors, err := c.store.Cursors(ctx)
	if err != nil {
		return fmt.Errorf("forget sinks: %w", err)
	}
	for _, cursor := range cursors {
		name, isSink := strings.CutPrefix(cursor, sinkPrefix)
		if _, known := c.sinks[name]; known || !isSink {
			continue
		}
		workers, err := c.store.Workers(ctx, c.now().Add(-jobs.WorkerAlive))
		if err != nil {
			return fmt.Errorf("forget sinks: %w", err)
		}
		for _, w := range workers {
			if w.ID != c.cfg.Worker {
				return nil
			}
		}
		if err := c.store.CloseCursor(ctx, cursor); err != nil {
			return fmt.Errorf("forget sinks: %w", err)
		}
		c.log.Info("a sink is not configured any more: it is told nothing further", "sink", name)
	}
	return nil
}
