package callback

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"shotline/client/outward"
)

// Config has the settings of a Deliverer. A zero value selects the default.
type Config struct {
	Worker      string         // id of this process's worker
	Guard       *outward.Guard // allowed addresses; default: public ones
	Sinks       []Sink
	Secrets     []string      // all of them sign; without any, callback URLs are not called
	Retry       time.Duration // from the first attempt until a callback is dead; default: DefaultRetry
	Concurrency int           // attempts of a lane at a time; default: DefaultConcurrency
	Slots       int           // attempts that the queue makes at a time; default: 32
	UserAgent   string        // default: shotline
}

// Defaults of a Config.
const (
	DefaultRetry       = 24 * time.Hour
	DefaultConcurrency = 4
	defaultSlots       = 32
)

func (c Config) withDefaults() Config {
	c.Guard = cmp.Or(c.Guard, outward.NewGuard(nil))
	c.Retry = cmp.Or(c.Retry, DefaultRetry)
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.Slots = cmp.Or(c.Slots, defaultSlots)
	c.UserAgent = cmp.Or(c.UserAgent, "shotline")
	return c
}

// Check reports the first error in the configuration. Errors contain neither
// secrets nor the URLs of sinks.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.Retry < 0 || c.Concurrency < 0 || c.Slots < 0 {
		return errors.New("callbacks: retry, concurrency and slots must not be negative")
	}
	if _, err := newSigner(c.Secrets); err != nil {
		return fmt.Errorf("callbacks: %w", err)
	}
	seen := map[string]bool{}
	for _, sink := range c.Sinks {
		if seen[sink.Name] {
			return fmt.Errorf("sink %s is given twice", sink.Name)
		}
		seen[sink.Name] = true
		if err := c.Guard.CheckURL(sink.url); err != nil {
			return fmt.Errorf("sink %s: %w", sink.Name, err)
		}
	}
	return nil
}

// Kinds returns all kinds that an Observer can receive.
func (c Config) Kinds() []string {
	kinds := []string{kindURL}
	for _, sink := range c.Sinks {
		kinds = append(kinds, sink.Name)
	}
	return kinds
}

// ErrUnsigned is the reason to refuse callback URLs if there is no secret to sign
// with.
var ErrUnsigned = errors.New("callback URLs are not accepted: there is no secret to sign callbacks with")

// CheckURL returns an error if a callback URL would not be called. It makes no
// DNS look-up. The error is ErrUnsigned, wraps outward.ErrPrivate, or describes
// the invalid URL.
func (c Config) CheckURL(url string) error {
	if len(c.Secrets) == 0 {
		return ErrUnsigned
	}
	return c.withDefaults().Guard.CheckURL(url)
}
