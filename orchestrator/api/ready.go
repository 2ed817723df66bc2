package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// checkTime bounds all checks together: a probe should hear in time.
	checkTimeout = 1500 * time.Millisecond
	// checkAgain is for how long one round of checks serves all who ask.
	reportLifetime = time.Second
)

// Check is one thing that must be in order for work to go on.
type Check struct {
	Name string // such as "store"
	// Do returns what is wrong, nil if nothing is. It must end with its context.
	Do func(ctx context.Context) error
}

// Readiness tells whether this process can take in and do work. It is safe for
// concurrent use, and answers requests with a JSON object:
//
//	{"ready":false,"checks":{"queue":{"ok":true},"store":{"ok":false,"error":"…"}}}
type Readiness struct {
	checks []Check
	now    func() time.Time

	mu        sync.Mutex // held during a round, so that all who ask meanwhile share it
	checkedAt time.Time  // of the last round
	last      Report
}

// NewReadiness is ready when all checks are in order. Now is the clock.
func NewReadiness(now func() time.Time, checks ...Check) *Readiness {
	return &Readiness{checks: checks, now: now}
}

// Report is what one round of checks found.
type Report struct {
	Ready  bool               `json:"ready"`
	Checks map[string]Finding `json:"checks"`
}

// Finding is what one check found.
type Finding struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Report makes all checks, at the same time, or returns what a round that is
// less than a second old found. A check that does not end in time is not in
// order.
func (r *Readiness) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := r.now().Sub(r.checkedAt); !r.checkedAt.IsZero() && age >= 0 && age < reportLifetime {
		return r.last
	}
	// Of nobody who asks: the others share the result.
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	errs := make([]error, len(r.checks))
	var round sync.WaitGroup
	for i, check := range r.checks {
		round.Go(func() { errs[i] = check.Do(ctx) })
	}
	round.Wait()
	report := Report{Ready: true, Checks: make(map[string]Finding, len(r.checks))}
	for i, check := range r.checks {
		finding := Finding{OK: errs[i] == nil}
		if errs[i] != nil {
			finding.Error = errs[i].Error()
			report.Ready = false
		}
		report.Checks[check.Name] = finding
	}
	r.checkedAt, r.last = r.now(), report
	return report
}

// ServeHTTP answers 200 when ready, else 503.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	report := r.Report()
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
}
