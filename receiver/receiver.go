package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/receiver/signature"
)

// Default values of Config.
const (
	// DefaultMaxBody leaves a large margin: documented payloads are smaller than 4
	// KiB.
	DefaultMaxBody = 256 << 10
	// DefaultMaxInFlight is enough for 16384 bodies of documented size.
	DefaultMaxInFlight = 64 << 20
	// DefaultTimeout leaves a margin of half a second, because the handler must
	// respond within two seconds if a delivery cannot be stored.
	DefaultTimeout = 1500 * time.Millisecond
)

// Inbox stores deliveries.
type Inbox interface {
	// StoreDelivery stores a delivery and returns nil once it is on disk. It must return
	// when ctx ends; the delivery might still be stored after that. StoreDelivery may retain
	// d.Body. It must be safe for concurrent use.
	StoreDelivery(ctx context.Context, d jobs.Delivery) error
}

// Config is the configuration of a Receiver. Inbox is required. Verifier is
// required unless Insecure is set.
type Config struct {
	Inbox    Inbox
	Verifier *signature.Verifier // used whenever it is set
	Insecure bool                // accept unsigned webhooks if Verifier is nil
	MaxBody  int64               // maximum size of a body in bytes; 0 means DefaultMaxBody
	// MaxInFlight is the maximum number of bytes for the bodies of all requests
	// that are being received or stored; 0 means DefaultMaxInFlight. If it is
	// exceeded, the status is 503. Each body uses chunks of 4 KiB. A body gets more
	// than its first chunk only if less than three quarters are in use, so that
	// large bodies cannot block small ones. Memory that the Inbox retains after
	// StoreDelivery is not counted.
	MaxInFlight int64
	// Path is the path that webhooks are accepted at. It is used only in log lines
	// about webhooks that were sent to another path, see HandleWrongPath.
	Path    string
	Timeout time.Duration    // maximum wait for the inbox; 0 means DefaultTimeout
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger     // nil means no logging
	// Observe, if not nil, is called once per request with the time from its
	// headers to its response. It must be safe for concurrent use.
	Observe func(result string, took time.Duration)
}

// Receiver handles webhooks. It is safe for concurrent use.
type Receiver struct {
	cfg       Config
	budget    *budget
	deadlines deadlines
	reports   *reports
	refusals  refusals
}

// New returns the handler for the webhook path. It returns an error if the inbox
// is missing, if the verifier is missing and Insecure is not set, if a limit is
// negative, or if three quarters of MaxInFlight are too small for one body of
// MaxBody.
func New(cfg Config) (*Receiver, error) {
	switch {
	case cfg.Inbox == nil:
		return nil, errors.New("new receiver: no inbox")
	case cfg.Verifier == nil && !cfg.Insecure:
		return nil, errors.New("new receiver: no webhook secret: anybody could close jobs")
	case cfg.MaxBody < 0:
		return nil, fmt.Errorf("new receiver: body limit %d is negative", cfg.MaxBody)
	case cfg.MaxInFlight < 0:
		return nil, fmt.Errorf("new receiver: limit of bodies in flight %d is negative", cfg.MaxInFlight)
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("new receiver: timeout %v is negative", cfg.Timeout)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	budget := newBudget(cfg.MaxInFlight)
	if budget.bulk/chunkSize <= cfg.MaxBody/chunkSize { // one more byte is read to detect a body that is too large
		return nil, fmt.Errorf("new receiver: %d bytes in flight are too few for a body of %d", cfg.MaxInFlight, cfg.MaxBody)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Receiver{
		cfg: cfg, budget: budget, deadlines: deadlines{timeout: cfg.Timeout}, reports: newReports(cfg.Logger),
	}, nil
}

// Counts returns the number of requests by result since New.
func (r *Receiver) Counts() map[Result]uint64 { return r.reports.counts() }

// ServeHTTP handles one webhook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := time.Now() // not cfg.Now, which might not be monotonic
	result, err := r.receive(req)
	r.done(w, req, began, result, err)
}

// done counts and logs a request and sends the response.
func (r *Receiver) done(w http.ResponseWriter, req *http.Request, began time.Time, result Result, err error) {
	r.reports.count(result)
	if err != nil {
		now := r.cfg.Now()
		r.reports.log(req.Context(), now, result, req.RemoteAddr, err)
		r.refusals.add(req, now, result, err)
	}
	result.respond(w, err)
	if r.cfg.Observe != nil {
		r.cfg.Observe(string(result), time.Since(began))
	}
}

// receive processes a webhook. If the result is not Accepted, the error contains
// the reason.
func (r *Receiver) receive(req *http.Request) (Result, error) {
	if req.Method != http.MethodPost {
		return WrongMethod, errors.New("use POST")
	}
	for _, coding := range req.Header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return WrongEncoding, errors.New("send the body without a content encoding")
		}
	}
	var mark signature.Signature
	if r.cfg.Verifier != nil {
		var err error
		if mark, err = r.cfg.Verifier.ParseHeader(req.Header); err != nil {
			return WrongSignature, err
		}
	}
	b := body{budget: r.budget}
	defer b.release()
	switch err := b.read(req.Body, req.ContentLength, r.cfg.MaxBody); {
	case errors.Is(err, errTooLarge):
		return TooLarge, fmt.Errorf("body is larger than %d bytes", r.cfg.MaxBody)
	case errors.Is(err, errBusy):
		return Busy, fmt.Errorf("other bodies use too much of %d bytes", r.cfg.MaxInFlight)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Aborted, errSlow
	case err != nil:
		return Aborted, errors.New("body was cut off")
	}
	if r.cfg.Verifier != nil {
		if err := b.verify(mark); err != nil {
			return WrongSignature, err
		}
	}
	// Copy the body, because the inbox might retain it, even after a timeout.
	d, err := Decode(b.copyOut(), req.Header)
	if err != nil {
		return Malformed, err
	}
	d.ReceivedAt = r.cfg.Now()
	// Wait even if the sender disconnected; the result arrives shortly.
	if err := r.cfg.Inbox.StoreDelivery(r.deadlines.bound(req.Context()), d); err != nil {
		if req.Context().Err() != nil {
			return Aborted, errors.New("sender disconnected before the delivery was stored")
		}
		return NotStored, fmt.Errorf("keep delivery: %w", err)
	}
	return Accepted, nil
}
