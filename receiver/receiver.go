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

// Defaults of Config.
const (
	// DefaultMaxBody is ample: documented payloads are below 4 KiB.
	DefaultMaxBody = 256 << 10
	// DefaultMaxInFlight is room for 16384 bodies of documented size.
	DefaultMaxInFlight = 64 << 20
	// DefaultTimeout leaves half a second of the two within which the vendor
	// is promised a 503.
	DefaultTimeout = 1500 * time.Millisecond
)

// Inbox keeps deliveries.
type Inbox interface {
	// Keep returns nil when d is on disk. It returns when ctx ends, at the
	// latest; d may be kept all the same then. It may hold on to d.Body.
	// It is called concurrently.
	Keep(ctx context.Context, d jobs.Delivery) error
}

// Config is what a Receiver is made of. Inbox is required, and so is Verifier
// unless Insecure is set.
type Config struct {
	Inbox    Inbox
	Verifier *signature.Verifier // checked whenever there is one
	Insecure bool                // accept unsigned webhooks if there is no Verifier
	MaxBody  int64               // largest body in bytes; 0 means DefaultMaxBody
	// MaxInFlight is how many bytes the bodies of all requests may take
	// together while they come in and are being kept; 0 means
	// DefaultMaxInFlight. Beyond it the answer is 503. Each body counts in
	// chunks of 4 KiB. One that needs more than its first chunk gets it only
	// while less than three quarters are in use: large bodies cannot crowd out
	// small ones. What the Inbox holds on to after Keep is not counted.
	MaxInFlight int64
	Timeout     time.Duration    // longest wait for the inbox; 0 means DefaultTimeout
	Now         func() time.Time // nil means time.Now
	Logger      *slog.Logger     // nil means none
	// Observe is called once per request, concurrently, with how long it took
	// from its headers to its answer; may be nil.
	Observe func(result string, took time.Duration)
}

// Receiver answers webhooks. It is safe for concurrent use.
type Receiver struct {
	cfg       Config
	budget    *budget
	deadlines deadlines
	reports   *reports
}

// New returns the handler for the webhook path. A missing inbox, a missing
// verifier without Insecure, negative limits and a MaxInFlight whose three
// quarters do not hold one body of MaxBody are errors.
func New(cfg Config) (*Receiver, error) {
	switch {
	case cfg.Inbox == nil:
		return nil, errors.New("new receiver: no inbox")
	case cfg.Verifier == nil && !cfg.Insecure:
		return nil, errors.New("new receiver: no webhook secret, so anybody could close jobs")
	case cfg.MaxBody < 0:
		return nil, fmt.Errorf("new receiver: body cap %d is negative", cfg.MaxBody)
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
	if budget.bulk/chunkSize <= cfg.MaxBody/chunkSize { // a byte more tells that a body is too large
		return nil, fmt.Errorf("new receiver: %d bytes in flight leave no room for a body of %d", cfg.MaxInFlight, cfg.MaxBody)
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

// Counts returns how many requests have had each result since New.
func (r *Receiver) Counts() map[Result]uint64 { return r.reports.counts() }

// ServeHTTP answers one webhook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := time.Now() // and not of cfg.Now, which need not be monotonic
	result, err := r.receive(req)
	r.done(w, req, began, result, err)
}

// done counts, logs and answers a request.
func (r *Receiver) done(w http.ResponseWriter, req *http.Request, began time.Time, result Result, err error) {
	r.reports.count(result)
	if err != nil {
		r.reports.log(req.Context(), r.cfg.Now(), result, req.RemoteAddr, err)
	}
	result.answer(w, err)
	if r.cfg.Observe != nil {
		r.cfg.Observe(string(result), time.Since(began))
	}
}

// receive takes a webhook through all its steps; the error tells why the
// result is not Accepted.
func (r *Receiver) receive(req *http.Request) (Result, error) {
	if req.Method != http.MethodPost {
		return WrongMethod, errors.New("use POST")
	}
	for _, coding := range req.Header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return WrongEncoding, errors.New("send the body without a content encoding")
		}
	}
	var mark signature.Mark
	if r.cfg.Verifier != nil {
		var err error
		if mark, err = r.cfg.Verifier.Expect(req.Header); err != nil {
			return WrongSignature, err
		}
	}
	b := body{budget: r.budget}
	defer b.release()
	switch err := b.read(req.Body, req.ContentLength, r.cfg.MaxBody); {
	case errors.Is(err, errTooLarge):
		return TooLarge, fmt.Errorf("body is larger than %d bytes", r.cfg.MaxBody)
	case errors.Is(err, errBusy):
		return Busy, fmt.Errorf("bodies under way leave too little of %d bytes", r.cfg.MaxInFlight)
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
	// The inbox may hold on to the bytes, also after it gave up waiting.
	d, err := Decode(b.own(), req.Header)
	if err != nil {
		return Malformed, err
	}
	d.ReceivedAt = r.cfg.Now()
	// Who left is waited for all the same: what comes of it is soon known.
	if err := r.cfg.Inbox.Keep(r.deadlines.bound(req.Context()), d); err != nil {
		if req.Context().Err() != nil {
			return Aborted, errors.New("sender left before it was kept")
		}
		return NotKept, fmt.Errorf("keep delivery: %w", err)
	}
	return Accepted, nil
}
