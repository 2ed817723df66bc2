package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/throttle"
)

// ErrNoKey is what a Vendor returns that cannot be asked for want of an API
// key. Jobs are not given up over it.
var ErrNoKey = errors.New("no API key")

// errAway: the vendor did not answer this pass before, and is not asked again.
var errAway = errors.New("the vendor is not asked any further")

// Bounds of a pass's patience with a vendor that limits its rate.
const (
	limitTries = 8
	limitPause = 2 * time.Minute
)

// pass is the same orchestrator over a store and a vendor that keep a record of
// what is done.
func (o *Orchestrator) pass(report *Reconciled) (*Orchestrator, *passVendor) {
	vendor := &passVendor{Vendor: o.vendor, clock: o.clock, throttle: o.throttle, report: report}
	p := *o
	p.store, p.vendor = &passStore{o.store, report}, vendor
	return &p, vendor
}

// passStore records what its pass brought about. One pass uses it at a time,
// one step after the other.
type passStore struct {
	jobs.Store
	report *Reconciled
}

// ApplyInbox implements jobs.Inbox.
func (s *passStore) ApplyInbox(ctx context.Context, at time.Time, limit int) (jobs.Applied, error) {
	applied, err := s.Store.ApplyInbox(ctx, at, limit)
	s.report.Deliveries += applied.Read
	s.report.took(applied.Effects)
	return applied, err
}

// Observe implements jobs.Ledger.
func (s *passStore) Observe(ctx context.Context, observations []jobs.Observation, by jobs.Provenance, at, deadline time.Time) (jobs.Effects, error) {
	effects, err := s.Store.Observe(ctx, observations, by, at, deadline)
	s.report.took(effects)
	return effects, err
}

// CloseJobs implements jobs.Closures.
func (s *passStore) CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error) {
	effects, err := s.Store.CloseJobs(ctx, closings, at)
	s.report.took(effects)
	return effects, err
}

// ExpireLeases implements jobs.Ledger.
func (s *passStore) ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error) {
	requeued, doubted, err = s.Store.ExpireLeases(ctx, at, limit)
	s.report.Requeued += requeued
	s.report.Doubted += doubted
	return requeued, doubted, err
}

// Resend implements jobs.Ledger.
func (s *passStore) Resend(ctx context.Context, submissions []jobs.Submission, settledBefore, at time.Time) (jobs.Effects, error) {
	effects, err := s.Store.Resend(ctx, submissions, settledBefore, at)
	s.report.Resent += effects.Requeued
	s.report.took(effects)
	return effects, err
}

// SaveSummary implements jobs.Upkeep.
func (s *passStore) SaveSummary(ctx context.Context, batch string, revision int, counts jobs.Counts, data []byte, at time.Time) (bool, error) {
	told, err := s.Store.SaveSummary(ctx, batch, revision, counts, data, at)
	if told {
		s.report.Summaries++
	}
	return told, err
}

// RemoveImport implements jobs.Imports.
func (s *passStore) RemoveImport(ctx context.Context, batch string) error {
	err := s.Store.RemoveImport(ctx, batch)
	if err == nil {
		s.report.Removed = append(s.report.Removed, batch)
	}
	return err
}

// Recount implements jobs.Upkeep.
func (s *passStore) Recount(ctx context.Context, batch string, at time.Time) (jobs.Repair, error) {
	repair, err := s.Store.Recount(ctx, batch, at)
	if len(repair.Wrong) > 0 {
		s.report.Repaired = append(s.report.Repaired, Repaired{Batch: batch, Wrong: repair.Wrong,
			Reopened: repair.Reopened, Finished: repair.Finished, Revised: repair.Revised})
	}
	return repair, err
}

// passVendor counts calls. It waits when the vendor limits our rate, and goes
// no further once the vendor did not answer at all or refused the key: each
// further try would only take another timeout.
type passVendor struct {
	Vendor
	clock    Clock
	throttle *throttle.Throttle
	report   *Reconciled
	away     error // why nothing is asked any more
}

// Info implements Vendor.
func (v *passVendor) Info(ctx context.Context, id string) (shot client.Screenshot, err error) {
	err = v.ask(ctx, func() error { shot, err = v.Vendor.Info(ctx, id); return err })
	return shot, err
}

// List implements Vendor.
func (v *passVendor) List(ctx context.Context, o client.ListOptions) (shots []client.Screenshot, err error) {
	err = v.ask(ctx, func() error { shots, err = v.Vendor.List(ctx, o); return err })
	return shots, err
}

// Search implements Vendor.
func (v *passVendor) Search(ctx context.Context, o client.SearchOptions) (shots []client.Screenshot, err error) {
	err = v.ask(ctx, func() error { shots, err = v.Vendor.Search(ctx, o); return err })
	return shots, err
}

func (v *passVendor) ask(ctx context.Context, call func() error) error {
	if errors.Is(v.away, ErrNoKey) {
		return v.away
	}
	if v.away != nil {
		return errAway
	}
	var err error
	for try := 1; ; try++ {
		err = call()
		if errors.Is(err, ErrNoKey) {
			break
		}
		v.report.Calls++
		var limited *client.RateLimitError
		if !errors.As(err, &limited) || try == limitTries {
			break
		}
		v.throttle.PauseFor(limited.Delay)
		until, _ := v.throttle.Paused()
		wait := until.Sub(v.clock.Now())
		if wait > limitPause {
			break
		}
		if stop := v.clock.Sleep(ctx, wait); stop != nil {
			err = fmt.Errorf("%w: %w", stop, err)
			break
		}
	}
	if stopsAll(ctx, err) {
		v.away = err
	}
	return err
}
