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
	deliveryDropped   = "dropped" // by a fault, without any attempt
)

// delivery is one webhook for one app. The store's lock guards state and
// attempts. The goroutine that processes the delivery owns failed.
type delivery struct {
	Webhook
	deliveryFaults
	*webhookSource
	plan *faultPlan
	app  string

	failed   int // attempts without a 2xx response
	state    string
	attempts []LedgerAttempt
}

// webhookSender posts webhooks in the order in which they are queued. It uses a
// fixed number of workers and keeps connections open. A failed delivery is queued
// again after a pause.
type webhookSender struct {
	cfg    Config
	store  *store
	work   *activity
	client *http.Client
	ctx    context.Context
	wg     sync.WaitGroup

	mu        sync.Mutex
	changed   *sync.Cond // queue has grown, or closed is set
	queue     []*delivery
	timers    map[*delivery]*time.Timer
	reordered []*delivery // waiting until enough others were posted; timers has them too
	closed    bool
}

// startWebhookSender starts the workers. Canceling ctx interrupts their posts,
// and stop ends them.
func startWebhookSender(ctx context.Context, cfg Config, st *store, work *activity) *webhookSender {
	s := &webhookSender{
		cfg:   cfg,
		store: st,
		work:  work,
		ctx:   ctx,
		client: &http.Client{
			Transport: &http.Transport{
				MaxIdleConnsPerHost: cfg.WebhookWorkers,
				IdleConnTimeout:     30 * time.Second,
				DisableCompression:  true,
			},
			Timeout: cfg.WebhookTimeout,
			// A redirect is not a 2xx response, so the delivery fails and is retried.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timers: make(map[*delivery]*time.Timer),
	}
	s.changed = sync.NewCond(&s.mu)
	if cfg.WebhookURL != "" {
		for range cfg.WebhookWorkers {
			s.wg.Go(s.loop)
		}
	}
	return s
}

// stop waits for the workers to end. Deliveries that are still waiting are
// dropped. The sender's context must have been canceled.
func (s *webhookSender) stop() {
	s.mu.Lock()
	s.closed = true
	for _, timer := range s.timers {
		timer.Stop()
	}
	clear(s.timers)
	s.reordered = nil
	s.mu.Unlock()
	s.changed.Broadcast()
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

// send schedules deliveries. They count as pending work until they are delivered
// or given up.
func (s *webhookSender) send(deliveries []*delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range deliveries {
		if d.state == deliveryDropped {
			continue
		}
		s.work.add(1)
		if !d.follows {
			s.schedule(d)
		}
	}
}

func (s *webhookSender) loop() {
	for d := s.take(); d != nil; d = s.take() {
		s.attempt(d)
	}
}

// take waits for the next delivery. It returns nil if the sender is stopping.
func (s *webhookSender) take() *delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.changed.Wait()
	}
	if s.closed {
		return nil
	}
	d := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return d
}

// attempt posts a delivery once and decides whether to retry it.
func (s *webhookSender) attempt(d *delivery) {
	record := LedgerAttempt{Number: d.failed + 1, At: ledgerTime(s.cfg.Now()), Signature: d.signatureKind(s.cfg.WebhookSecret)}
	status, err := s.post(d)
	if s.ctx.Err() != nil {
		return
	}
	s.countPost()
	s.firstPosted(d)
	record.Status = status
	if err != nil {
		record.Error = err.Error()
	}
	switch {
	case status >= 200 && status < 300:
		s.settle(d, record, deliveryDelivered)
	case d.failed+1 >= s.cfg.WebhookTries:
		s.cfg.Logger.Warn("sandbox webhook given up", "event", d.Event, "id", d.id, "app", d.app,
			"tries", d.failed+1, "status", status, "error", record.Error)
		s.settle(d, record, deliveryGivenUp)
	default:
		d.failed++
		s.store.recordAttempt(d, record, deliveryWaiting)
		s.pause(d)
	}
}

func (s *webhookSender) settle(d *delivery, record LedgerAttempt, state string) {
	d.Body = nil // free the body: the store keeps the delivery, but it is never sent again
	s.store.recordAttempt(d, record, state)
	s.work.done()
}

// pause queues the delivery again after its backoff.
func (s *webhookSender) pause(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.timers[d] = time.AfterFunc(s.cfg.RetryBackoff(d.failed), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.timers, d)
		s.enqueue(d)
	})
}

// post sends the webhook and returns the status of the response.
func (s *webhookSender) post(d *delivery) (int, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.cfg.WebhookURL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, err
	}
	s.cfg.Dialect.SetHeaders(req.Header, d.Webhook, d.secret(s.cfg.WebhookSecret))
	res, err := s.client.Do(req)
	if err != nil {
		// Remove the URL from the error. It might contain a token of the receiver.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, err
	}
	defer res.Body.Close()
	// The body does not matter, but reading it lets the connection be reused. The
	// body of a 101 response is the raw connection, and no timeout ends a read from
	// that.
	if res.StatusCode >= http.StatusOK {
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	}
	return res.StatusCode, nil
}
