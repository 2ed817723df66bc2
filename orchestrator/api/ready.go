package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// checkTimeout limits all checks together, so that a probe gets its response in
	// time.
	checkTimeout = 1500 * time.Millisecond
	// reportLifetime is how long the result of the checks is reused.
	reportLifetime = time.Second
)

// Check is one condition that must hold so that the process can work.
type Check struct {
	Name string // such as "store"
	// Do returns an error if the condition does not hold. It must return when ctx
	// ends.
	Do func(ctx context.Context) error
}

// Readiness reports whether this process can accept and do work. It is safe for
// concurrent use. As an HTTP handler it responds with a JSON object:
//
//	{"ready":false,"checks":{"queue":{"ok":true},"store":{"ok":false,"error":"…"}}}
type Readiness struct {
	checks []Check
	now    func() time.Time

	mu        sync.Mutex // held while checks run, so that concurrent callers share their result
	checkedAt time.Time  // when the last checks ran
	last      Report
}

// NewReadiness returns a Readiness that is ready if all checks succeed. Now is
// the clock.
func NewReadiness(now func() time.Time, checks ...Check) *Readiness {
	return &Readiness{checks: checks, now: now}
}

// Report is the result of all checks.
type Report struct {
	Ready  bool                   `json:"ready"`
	Checks map[string]CheckResult `json:"checks"`
}

// CheckResult is the result of one check.
type CheckResult struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Report runs all checks concurrently. If the last result is less than a second
// old, it returns that instead. A check that does not end in time has failed.
func (r *Readiness) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := r.now().Sub(r.checkedAt); !r.checkedAt.IsZero() && age >= 0 && age < reportLifetime {
		return r.last
	}
	// Do not use the context of a request: other requests share the result.
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	errs := make([]error, len(r.checks))
	var round sync.WaitGroup
	for i, check := range r.checks {
		round.Go(func() { errs[i] = check.Do(ctx) })
	}
	round.Wait()
	report := Report{Ready: true, Checks: make(map[string]CheckResult, len(r.checks))}
	for i, check := range r.checks {
		finding := CheckResult{OK: errs[i] == nil}
		if errs[i] != nil {
			finding.Error = errs[i].Error()
			report.Ready = false
		}
		report.Checks[check.Name] = finding
	}
	r.checkedAt, r.last = r.now(), report
	return report
}

// ServeHTTP responds with 200 if the process is ready, and otherwise with 503.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	report := r.Report()
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
}
