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
	sinkFlag = &cli.StringSliceFlag{Name: "sink", Usage: "POST events to a URL of your own: `NAME[:FORMAT][:EVENTS]=URL` with format plain or slack, " +
		"and events all, failures or types joined by + (repeatable; better in the environment, where ps does not show it)" + inEnvironment("sink")}
	callbackSecretFlag      = &cli.StringSliceFlag{Name: "callback-secret", Usage: "`SECRET` (whsec_…) to sign callbacks with (repeatable: new and old during a rotation; better in the environment, where ps does not show it)" + inEnvironment("callback-secret")}
	callbackRetryFlag       = &cli.DurationFlag{Name: "callback-retry", EnvVars: []string{"SHOTLINE_CALLBACK_RETRY"}, Value: callback.DefaultRetry, Usage: "for how long a callback is tried again before it is given up"}
	callbackConcurrencyFlag = &cli.IntFlag{Name: "callback-concurrency", EnvVars: []string{"SHOTLINE_CALLBACK_CONCURRENCY"}, Value: callback.DefaultConcurrency, Usage: "callbacks under way at once to each target"}
	allowPrivateFlag        = &cli.StringSliceFlag{Name: "allow-private", Usage: "let callbacks go to this private network, loopback for example as 127.0.0.0/8: `CIDR` (repeatable)" + inEnvironment("allow-private")}
)

// callbacksFrom reads the flags of callbacks. Errors hold neither secrets nor the
// URLs of sinks.
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
		return nil, badUsage("--sink: %w", hinted(err))
	case err != nil:
		return nil, badUsage("--sink or --callback-secret: %w", err)
	}
	return config, nil
}

// checkURL says what is wrong with a callback URL, and which flag would mend it.
func (w work) checkURL(url string) error { return hinted(w.Callbacks.CheckURL(url)) }

// hinted names the flag that would mend a refusal, if there is one.
func hinted(err error) error {
	switch {
	case errors.Is(err, outward.ErrPrivate):
		return fmt.Errorf("%w; --allow-private opens its network", err)
	case errors.Is(err, callback.ErrUnsigned):
		return fmt.Errorf("%w; --callback-secret gives one", err)
	}
	return err
}

// attempts counts attempts at callbacks.
type attempts struct{ metrics *api.Metrics }

// Attempted implements callback.Observer.
func (a attempts) Attempted(kind string, outcome callback.Outcome, took time.Duration) {
	a.metrics.Callback(kind, string(outcome), took)
}
