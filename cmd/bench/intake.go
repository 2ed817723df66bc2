package main

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// intake is one round of webhooks into a serve.
type intake struct {
	*hammered
	drained time.Duration // from the first request until every job was closed
	lag     float64       // seconds, the most that the oldest delivery had to wait for the closer
	commits int           // by serve, of which groups is the mean number of operations
	groups  float64
	cpu     float64 // seconds of CPU that serve used
	memory  float64 // MB, the most that it had
}

// perSecond counts a webhook only when the closer is through with it.
func (i *intake) perSecond() float64 { return float64(len(i.latencies)) / i.drained.Seconds() }

// takeIn sends webhooks to a serve on a database, and waits until jobs are closed:
// as many as were told of for the first time.
func (b *bench) takeIn(ctx context.Context, database string, h *hammer, meanwhile func() error) (_ *intake, err error) {
	vendor := newVendor()
	defer vendor.Close()
	s, err := b.startServe(ctx, database, "--base-url", vendor.URL)
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, s.stop())
		}
	}()
	before, err := s.pending()
	if err != nil {
		return nil, err
	}
	hook, err := url.Parse(s.hook)
	if err != nil {
		return nil, err
	}
	h.address = hook.Host
	i := &intake{}
	looked := make(chan error, 1)
	looking, enough := context.WithCancel(ctx)
	defer enough()
	go func() { looked <- i.watchLag(looking, s) }()
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		if meanwhile == nil {
			ended <- nil
			return
		}
		ended <- meanwhile()
		h.stop.Store(true)
	}()
	if i.hammered, err = h.run(ctx); err != nil {
		return nil, err
	}
	err = s.until(ctx, "all jobs are closed", func() (bool, error) {
		left, err := s.pending()
		return before-left == i.fresh, err
	})
	i.drained = time.Since(began)
	enough()
	if err := errors.Join(err, <-looked, <-ended); err != nil {
		return nil, err
	}
	operations, err := s.metric("shotline_store_commit_operations_sum")
	if err != nil {
		return nil, err
	}
	commits, err := s.metric("shotline_store_commit_operations_count")
	if err != nil {
		return nil, err
	}
	i.commits, i.groups = int(commits), operations/commits
	if i.memory, err = peakMemory(s.process.Process.Pid); err != nil {
		return nil, err
	}
	running = false
	if err := s.stop(); err != nil {
		return nil, err
	}
	i.cpu = s.processorTime().Seconds()
	return i, nil
}

// watchLag keeps the longest lag of the closer until ctx ends.
func (i *intake) watchLag(ctx context.Context, s *serve) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(250 * time.Millisecond):
		}
		lag, err := s.metric("shotline_inbox_lag_seconds")
		if err != nil {
			return err
		}
		i.lag = max(i.lag, lag)
	}
}

// pending is how many jobs of the seeded batch are.
func (s *serve) pending() (int, error) {
	b, err := s.batch(seeded)
	return b.Pending, err
}
