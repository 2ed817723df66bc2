package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// States of a delivery, as the ledger shows them.
const (
	deliveryWaiting   = "waiting"
	deliveryDelivered = "delivered"
	deliveryGivenUp   = "given_up"
	deliveryDropped   = "dropped" // by a fault, without a single post
)

// delivery is one webhook owed to one app. State and attempts are guarded by
// the books' lock; failed belongs to whoever holds the delivery.
type delivery struct {
	notice
	mishap
	*told
	fate *fate
	app  string

	failed   int // posts without a 2xx
	state    string
	attempts []LedgerAttempt
}

// courier posts webhooks: a fixed number at once over kept-alive connections,
// in the order they come, failed ones again after a pause.
type courier struct {
	cfg    Config
	books  *books
	work   *activity
	client *http.Client
	ctx    context.Context
	wg     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // ready grew, or closed
	ready   []*delivery
	pausing map[*delivery]*time.Timer
	held    []*delivery // until enough others were posted; all are in pausing too
	closed  bool
}

// startCourier starts the workers; ctx ends their posts, stop ends them.
func startCourier(ctx context.Context, cfg Config, b *books, work *activity) *courier {
	c := &courier{
		cfg:   cfg,
		books: b,
		work:  work,
		ctx:   ctx,
		client: &http.Client{
			Transport: &http.Transport{
				MaxIdleConnsPerHost: cfg.WebhookWorkers,
				IdleConnTimeout:     30 * time.Second,
				DisableCompression:  true,
			},
			Timeout: cfg.WebhookTimeout,
			// A redirect is no 2xx: the delivery failed and is repeated.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pausing: make(map[*delivery]*time.Timer),
	}
	c.changed = sync.NewCond(&c.mu)
	if cfg.WebhookURL != "" {
		for range cfg.WebhookWorkers {
			c.wg.Go(c.loop)
		}
	}
	return c
}

// stop waits for the workers; what was not delivered is dropped. The
// courier's context must have ended.
func (c *courier) stop() {
	c.mu.Lock()
	c.closed = true
	for _, timer := range c.pausing {
		timer.Stop()
	}
	clear(c.pausing)
	c.held = nil
	c.mu.Unlock()
	c.changed.Broadcast()
	c.wg.Wait()
	c.client.CloseIdleConnections()
}

// send takes deliveries over; they count as work until decided.
func (c *courier) send(deliveries []*delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range deliveries {
		if d.state == deliveryDropped {
			continue
		}
		c.work.add(1)
		if !d.follows {
			c.admit(d)
		}
	}
}

func (c *courier) loop() {
	for d := c.take(); d != nil; d = c.take() {
		c.attempt(d)
	}
}

// take waits for the next delivery; nil means the courier is stopping.
func (c *courier) take() *delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) == 0 && !c.closed {
		c.changed.Wait()
	}
	if c.closed {
		return nil
	}
	d := c.ready[0]
	c.ready[0] = nil
	c.ready = c.ready[1:]
	return d
}

// attempt posts once and decides what comes next.
func (c *courier) attempt(d *delivery) {
	record := LedgerAttempt{Number: d.failed + 1, At: exactStamp(c.cfg.Now()), Signature: d.signatureKind(c.cfg.WebhookSecret)}
	status, err := c.post(d)
	if c.ctx.Err() != nil {
		return
	}
	c.overtake()
	c.passed(d)
	record.Status = status
	if err != nil {
		record.Error = err.Error()
	}
	switch {
	case status >= 200 && status < 300:
		c.settle(d, record, deliveryDelivered)
	case d.failed+1 >= c.cfg.WebhookTries:
		c.cfg.Logger.Warn("sandbox webhook given up", "event", d.event, "id", d.id, "app", d.app,
			"tries", d.failed+1, "status", status, "error", record.Error)
		c.settle(d, record, deliveryGivenUp)
	default:
		d.failed++
		c.books.attempted(d, record, deliveryWaiting)
		c.pause(d)
	}
}

func (c *courier) settle(d *delivery, record LedgerAttempt, state string) {
	d.body = nil // the books keep the delivery, but nobody sends it again
	c.books.attempted(d, record, state)
	c.work.done()
}

// pause brings the delivery back after its backoff.
func (c *courier) pause(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.pausing[d] = time.AfterFunc(c.cfg.RetryBackoff(d.failed), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.pausing, d)
		c.enqueue(d)
	})
}

// post sends the webhook and returns the status of the answer.
func (c *courier) post(d *delivery) (int, error) {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.cfg.WebhookURL, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	c.cfg.Dialect.headers(req.Header, d.notice, d.secret(c.cfg.WebhookSecret))
	res, err := c.client.Do(req)
	if err != nil {
		// Without the address, which may carry a token of the receiver's.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, err
	}
	defer res.Body.Close()
	// The body does not matter, but reading it keeps the connection. That of a 101
	// is the raw connection, from which no timeout ends a read.
	if res.StatusCode >= http.StatusOK {
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	}
	return res.StatusCode, nil
}
