package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client/outward"
	"shotline/jobs/tasks"
	"shotline/orchestrator/api"
	"shotline/orchestrator/callback"
)

var (
	sinkFlag = &cli.StringSliceFlag{Name: "sink", Usage: "POST events to your own URL: `NAME[:FORMAT][:EVENTS]=URL` with format plain or slack, " +
		"and events all, failures or types joined by + (repeatable; better in the environment, where ps does not show it)"}
	callbackSecretFlag      = &cli.StringSliceFlag{Name: "callback-secret", Usage: "`SECRET` (whsec_…) that signs callbacks (repeatable: give the new and the old one during a rotation; prefer the environment, because ps shows flags)"}
	callbackRetryFlag       = &cli.DurationFlag{Name: "callback-retry", EnvVars: []string{"SHOTLINE_CALLBACK_RETRY"}, Value: callback.DefaultRetry, Usage: "how long a failed callback is retried before it is dead"}
	callbackConcurrencyFlag = &cli.IntFlag{Name: "callback-concurrency", EnvVars: []string{"SHOTLINE_CALLBACK_CONCURRENCY"}, Value: callback.DefaultConcurrency, Usage: "callbacks in progress at a time per target"}
	allowPrivateFlag        = &cli.StringSliceFlag{Name: "allow-private", Usage: "allow callbacks to this private network: `CIDR`, for example 127.0.0.0/8 for loopback (repeatable)"}
)

// callbacksFrom parses the flags for callbacks. Its errors contain neither
// secrets nor URLs of sinks.
func callbacksFrom(c *cli.Context) (*callback.Config, error) {
	private, err := privateNetworks(c)
	if err != nil {
		return nil, err
	}
	config := &callback.Config{
		Guard:       outward.NewGuard(private),
		Secrets:     c.StringSlice(callbackSecretFlag.Name),
		Retry:       c.Duration(callbackRetryFlag.Name),
		Concurrency: c.Int(callbackConcurrencyFlag.Name),
	}
	if config.Retry <= 0 {
		return nil, badUsage("--callback-retry must be above zero")
	}
	if config.Concurrency <= 0 || config.Concurrency > tasks.CallbackSlots {
		return nil, badUsage("--callback-concurrency %d: want 1 to %d", config.Concurrency, tasks.CallbackSlots)
	}
	for _, spec := range c.StringSlice(sinkFlag.Name) {
		sink, err := callback.ParseSink(spec)
		if err != nil {
			return nil, badUsage("--sink: %w", err)
		}
		config.Sinks = append(config.Sinks, sink)
	}
	switch err := config.Check(); {
	case errors.Is(err, outward.ErrPrivate):
		return nil, badUsage("--sink: %w", withFlagHint(err))
	case err != nil:
		return nil, badUsage("--sink or --callback-secret: %w", err)
	}
	return config, nil
}

// checkURL returns an error if the URL cannot be used for callbacks. The error
// names the flag that would allow it, if there is one.
func (w work) checkURL(url string) error { return withFlagHint(w.Callbacks.CheckURL(url)) }

// withFlagHint adds the flag that would avoid the error, if there is one.
func withFlagHint(err error) error {
	switch {
	case errors.Is(err, outward.ErrPrivate):
		return fmt.Errorf("%w; to allow its network use --allow-private", err)
	case errors.Is(err, callback.ErrUnsigned):
		return fmt.Errorf("%w; set one with --callback-secret", err)
	}
	return err
}

// attempts is the observer that counts attempts to deliver callbacks.
type attempts struct{ metrics *api.Metrics }

// Attempted implements callback.Observer.
func (a attempts) Attempted(kind string, outcome callback.Outcome, took time.Duration) {
	a.metrics.Callback(kind, string(outcome), took)
}
