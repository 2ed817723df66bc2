package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator"
)

// orchestratorFrom returns an orchestrator for commands that call single steps
// and exit. Its loops are never started. Without a key, every vendor call fails
// with orchestrator.ErrNoKey.
func orchestratorFrom(c *cli.Context, store jobs.Store, key string, log *slog.Logger) (*orchestrator.Orchestrator, error) {
	config, err := durationsFrom(c)
	if err != nil {
		return nil, err
	}
	var vendor orchestrator.Vendor = keyless{}
	if key != "" {
		if vendor, err = vendorFrom(c, key); err != nil {
			return nil, err
		}
	}
	o, err := orchestrator.New(config.Orchestrator(), orchestrator.Parts{Store: store, Vendor: vendor, Queue: noQueue{}, Clock: clock, Logger: log})
	if err != nil {
		return nil, badUsage("%w", err)
	}
	return o, nil
}

// keyless is the vendor of a command that has no API key. The command might not
// need to call the vendor.
type keyless struct{}

// Create implements orchestrator.Vendor.
func (keyless) Create(context.Context, client.CreateRequest) (client.Screenshot, error) {
	return client.Screenshot{}, orchestrator.ErrNoKey
}

// Info implements orchestrator.Vendor.
func (keyless) Info(context.Context, string) (client.Screenshot, error) {
	return client.Screenshot{}, orchestrator.ErrNoKey
}

// List implements orchestrator.Vendor.
func (keyless) List(context.Context, client.ListOptions) ([]client.Screenshot, error) {
	return nil, orchestrator.ErrNoKey
}

// Search implements orchestrator.Vendor.
func (keyless) Search(context.Context, client.SearchOptions) ([]client.Screenshot, error) {
	return nil, orchestrator.ErrNoKey
}

// noQueue is the queue of a process that has none. Workers on the same database
// find the pending work there.
type noQueue struct{}

// EnqueueSubmit implements orchestrator.Queue.
func (noQueue) EnqueueSubmit(context.Context, string, int64, time.Time) error { return nil }

// EnqueueSubmits implements orchestrator.Queue.
func (noQueue) EnqueueSubmits(context.Context, []string, int64) error { return nil }

// EnqueueSummaries implements orchestrator.Queue.
func (noQueue) EnqueueSummaries(context.Context, []string, int64) error { return nil }

// EnqueueDeadlines implements orchestrator.Queue.
func (noQueue) EnqueueDeadlines(context.Context, time.Time, int64) error { return nil }

// EnqueueSummary implements orchestrator.Queue.
func (noQueue) EnqueueSummary(context.Context, string, int, int64) error { return nil }

// Lag implements orchestrator.Queue.
func (noQueue) Lag(context.Context) (time.Duration, error) { return 0, nil }
