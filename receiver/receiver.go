package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/receiver/signature"
)

// Defaults of Config.
const (
	DefaultMaxBody = 1 << 20
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
	Timeout  time.Duration       // longest wait for the inbox; 0 means DefaultTimeout
	Now      func() time.Time    // nil means time.Now
	Logger   *slog.Logger        // nil means none
	Observe  func(result string) // called once per request, concurrently; may be nil
}

// Receiver answers webhooks. It is safe for concurrent use.
type Receiver struct {
	cfg     Config
	reports *reports
}

// New returns the handler for the webhook path. A missing inbox, a missing
// verifier without Insecure and negative limits are errors.
func New(cfg Config) (*Receiver, error) {
	switch {
	case cfg.Inbox == nil:
		return nil, errors.New("new receiver: no inbox")
	case cfg.Verifier == nil && !cfg.Insecure:
		return nil, errors.New("new receiver: no webhook secret, so anybody could close jobs")
	case cfg.MaxBody < 0:
		return nil, fmt.Errorf("new receiver: body cap %d is negative", cfg.MaxBody)
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("new receiver: timeout %v is negative", cfg.Timeout)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
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
	return &Receiver{cfg: cfg, reports: newReports(cfg.Logger)}, nil
}

// Counts returns how many requests have had each result since New.
func (r *Receiver) Counts() map[Result]uint64 { return r.reports.counts() }

// ServeHTTP answers one webhook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	result, err := r.receive(req)
	if r.cfg.Observe != nil {
		r.cfg.Observe(string(result))
	}
	r.reports.count(result)
	if err != nil {
		r.reports.log(req.Context(), r.cfg.Now(), result, req.RemoteAddr, err)
	}
	result.answer(w, err)
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
	buf := buffers.Get().(*buffer)
	defer buf.release()
	if err := buf.read(req.Body, req.ContentLength, r.cfg.MaxBody); err != nil {
		if errors.Is(err, errTooLarge) {
			return TooLarge, fmt.Errorf("body is larger than %d bytes", r.cfg.MaxBody)
		}
		return Aborted, errors.New("body was cut off")
	}
	if r.cfg.Verifier != nil {
		if err := r.cfg.Verifier.Verify(req.Header, buf.data); err != nil {
			return WrongSignature, err
		}
	}
	// The inbox may hold on to the bytes, also after it gave up waiting.
	d, err := Decode(bytes.Clone(buf.data), req.Header)
	if err != nil {
		return Malformed, err
	}
	d.ReceivedAt = r.cfg.Now()
	ctx, cancel := context.WithTimeout(req.Context(), r.cfg.Timeout)
	defer cancel()
	if err := r.cfg.Inbox.Keep(ctx, d); err != nil {
		if req.Context().Err() != nil {
			return Aborted, errors.New("sender left before it was kept")
		}
		return NotKept, fmt.Errorf("keep delivery: %w", err)
	}
	return Accepted, nil
}
