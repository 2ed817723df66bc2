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
	sinkPrefix = "sink:" // prefix of cursors and lanes
	// maxUndelivered is how many undelivered callbacks a sink may have before its
	// reader leaves further events in the log.
	maxUndelivered = 10_000
	eventPage      = 500
	// maxPageBytes bounds the bodies that are held in memory before they are
	// stored.
	maxPageBytes = 4 << 20
	// saveEvery is how often a cursor moves if there are only events without a
	// callback. Each move is a write.
	saveEvery = time.Second
)

// reader turns events into callbacks: the events with a callback URL, or those
// that a sink wants. Only the loop uses it.
type reader struct {
	cursor string
	sink   *Sink // nil for callback URLs

	isOpen  bool
	saved   int64 // position of the cursor in the store
	read    int64 // events up to here need no callback
	savedAt time.Time
	full    bool // the sink has too many undelivered callbacks
}

func (r *reader) open(ctx context.Context, d *Deliverer) error {
	position, err := d.store.OpenCursor(ctx, r.cursor, d.now())
	if err != nil {
		return fmt.Errorf("open reader %s: %w", r.cursor, err)
	}
	r.isOpen, r.saved, r.read = true, position, position
	return nil
}

// readOnce reads one page of events and stores their callbacks. The result more
// is false if there are no further events.
func (r *reader) readOnce(ctx context.Context, d *Deliverer) (more bool, err error) {
	if !r.isOpen {
		if err := r.open(ctx, d); err != nil {
			return false, err
		}
	}
	if r.full {
		if isFull, err := r.checkFull(ctx, d); err != nil || isFull {
			return false, err
		}
	}
	page, upTo, err := d.store.Events(ctx, jobs.EventFilter{After: r.read, Calls: r.sink == nil, Limit: eventPage})
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	callbacks, cutAt, err := r.newCallbacks(ctx, d, page)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	if cutAt > 0 {
		upTo = cutAt
	}
	if upTo <= r.saved {
		return false, nil
	}
	now := d.now()
	// Events from the cursor up to here need no callback, so reading them again
	// after a crash does no harm.
	if len(callbacks) == 0 && now.Sub(r.savedAt) < saveEvery && !now.Before(r.savedAt) {
		more, r.read = upTo > r.read, upTo
		return more, nil
	}
	if len(callbacks) > 0 && r.sink != nil {
		if isFull, err := r.checkFull(ctx, d); err != nil || isFull {
			return false, err
		}
	}
	moved, err := d.store.AddCallbacks(ctx, r.cursor, r.saved, upTo, callbacks, now)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	if !moved { // another process moved the cursor
		r.isOpen = false
		return true, nil
	}
	more = upTo > r.read
	r.saved, r.read, r.savedAt = upTo, upTo, now
	return more, nil
}

// checkFull reports whether the sink has too many undelivered callbacks. Further
// events then stay in the log.
func (r *reader) checkFull(ctx context.Context, d *Deliverer) (bool, error) {
	n, err := d.store.CountOwed(ctx, r.cursor, d.maxUndelivered)
	if err != nil {
		return false, fmt.Errorf("reader %s: %w", r.cursor, err)
	}
	isFull := n >= d.maxUndelivered
	if isFull && !r.full {
		d.log.Warn("too many undelivered callbacks: further events of the sink wait in the log", "sink", r.sink.Name, "owed", n)
	}
	r.full = isFull
	return isFull, nil
}

// newCallbacks returns the callbacks for a page of events. If their bodies are
// too large for one transaction, cutAt is the last event that they include;
// otherwise it is 0.
func (r *reader) newCallbacks(ctx context.Context, d *Deliverer, page []jobs.Event) (callbacks []jobs.Callback, cutAt int64, err error) {
	size := 0
	for _, e := range page {
		if r.sink != nil && !r.sink.mayWant(e.Type) {
			continue
		}
		m, err := jobs.NewMessage(ctx, d.store, e)
		if errors.Is(err, jobs.ErrNotFound) {
			d.log.Warn("event skipped: its job or batch is gone", append([]any{"event", e.ID(), "type", e.Type}, logIDs(e.Job, e.Batch)...)...)
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if r.sink != nil && !r.sink.wants(m) {
			continue
		}
		cb, err := r.newCallback(e, m)
		if err != nil {
			return nil, 0, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		callbacks = append(callbacks, cb)
		if size += len(cb.Body); size >= maxPageBytes {
			return callbacks, e.Seq, nil
		}
	}
	return callbacks, 0, nil
}

func (r *reader) newCallback(e jobs.Event, m jobs.Message) (jobs.Callback, error) {
	cb := jobs.Callback{
		EventID: e.ID(), Type: e.Type, Event: e.Seq, Batch: e.Batch, Job: e.Job,
		Target: jobs.Target{URL: e.CallbackURL}, Lane: laneOf(e.CallbackURL),
	}
	format := FormatPlain
	if r.sink != nil {
		cb.Target, cb.Lane, format = jobs.Target{Sink: r.sink.Name}, r.cursor, r.sink.Format
	}
	var err error
	cb.Body, err = body(format, m)
	return cb, err
}

// laneOf returns the scheme and host of a callback URL.
func laneOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return kindURL
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// ForgetOnce closes the cursors of sinks that are no longer configured, since an
// open cursor keeps the log from being pruned. It closes none while another
// worker is alive, which might have other sinks.
func (d *Deliverer) ForgetOnce(ctx context.Context) error {
	cursors, err := d.store.Cursors(ctx)
	if err != nil {
		return fmt.Errorf("forget sinks: %w", err)
	}
	for _, cursor := range cursors {
		name, isSink := strings.CutPrefix(cursor, sinkPrefix)
		if _, known := d.sinks[name]; known || !isSink {
			continue
		}
		workers, err := d.store.Workers(ctx, d.now().Add(-jobs.WorkerAlive))
		if err != nil {
			return fmt.Errorf("forget sinks: %w", err)
		}
		for _, w := range workers {
			if w.ID != d.cfg.Worker {
				return nil
			}
		}
		if err := d.store.CloseCursor(ctx, cursor); err != nil {
			return fmt.Errorf("forget sinks: %w", err)
		}
		d.log.Info("sink is not configured any more: no further events are sent to it", "sink", name)
	}
	return nil
}
