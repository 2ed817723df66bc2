package main

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// intake is the result of one run of webhooks into a serve.
type intake struct {
	*loadResult
	drained time.Duration // from the first request until every job was closed
	lag     float64       // seconds; the longest time that the oldest delivery waited for the closer
	commits int           // by serve; groups is the mean number of operations in one
	groups  float64
	cpu     float64 // seconds of CPU that serve used
	memory  float64 // peak memory of serve, in MB
}

// perSecond counts a webhook only when the closer has applied it.
func (i *intake) perSecond() float64 { return float64(len(i.latencies)) / i.drained.Seconds() }

// takeIn sends webhooks to a serve on a database, and waits until it has closed
// as many jobs as webhooks were accepted as the first one of their row. If
// background is not nil, it runs at the same time and its end ends the load.
func (b *bench) takeIn(ctx context.Context, database string, g *loadGenerator, background func() error) (_ *intake, err error) {
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
	g.address = hook.Host
	i := &intake{}
	watched := make(chan error, 1)
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go func() { watched <- i.watchLag(watchCtx, s) }()
	began := time.Now()
	backgroundErr := make(chan error, 1)
	go func() {
		if background == nil {
			backgroundErr <- nil
			return
		}
		backgroundErr <- background()
		g.stop.Store(true)
	}()
	if i.loadResult, err = g.run(ctx); err != nil {
		return nil, err
	}
	err = s.waitFor(ctx, "all jobs are closed", func() (bool, error) {
		left, err := s.pending()
		return before-left == i.fresh, err
	})
	i.drained = time.Since(began)
	stopWatching()
	if err := errors.Join(err, <-watched, <-backgroundErr); err != nil {
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

// watchLag records the longest lag of the closer until ctx ends.
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

// pending returns the number of pending jobs of the seeded batch.
func (s *serve) pending() (int, error) {
	b, err := s.batch(seeded)
	return b.Pending, err
}
