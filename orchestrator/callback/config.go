package callback

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"shotline/client/outward"
)

// Config says what is told to whom. Zero values mean the defaults named beside
// them.
type Config struct {
	Worker      string         // id of this process's worker
	Guard       *outward.Guard // what may be called; nil: public addresses
	Sinks       []Sink
	Secrets     []string      // to sign with, all of them; without any no callback URL is called
	Retry       time.Duration // from the first attempt until a callback is dead; DefaultRetry
	Concurrency int           // attempts of a lane at a time; DefaultConcurrency
	Slots       int           // attempts of all lanes that the queue makes at a time; 32
	UserAgent   string        // "shotline"
}

// Defaults of the Config.
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

// Check says what is wrong with the configuration, nil when nothing is. Errors
// hold neither secrets nor the URLs of sinks.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.Retry < 0 || c.Concurrency < 0 || c.Slots < 0 {
		return errors.New("callbacks: a bound is negative")
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

// Kinds are those that an Observer can hear of.
func (c Config) Kinds() []string {
	kinds := []string{kindURL}
	for _, sink := range c.Sinks {
		kinds = append(kinds, sink.Name)
	}
	return kinds
}

// ErrUnsigned is why no callback URL is taken: there is no secret to sign with.
var ErrUnsigned = errors.New("callback URLs are not taken here: there is no secret to sign callbacks with")

// CheckURL says what is wrong with a callback URL that somebody submits, nil
// when it will be called. It looks nothing up. Errors are ErrUnsigned, wrap
// outward.ErrPrivate, or tell what is no URL of the web.
func (c Config) CheckURL(url string) error {
	if len(c.Secrets) == 0 {
		return ErrUnsigned
	}
	return c.withDefaults().Guard.CheckURL(url)
}
