// Package torture contains a single test. It runs several processes of the real
// binary on one database, with a vendor that injects faults. It kills the
// processes and Redis at random moments. Then it checks the promises P1 to P11
// from outside: against the vendor's ledger, against the webhooks that passed the
// proxy, against its own list of rows, and with its own SQL.
//
// The seed determines the plan, but the timing of the machine also affects the
// run. If a run fails, a repetition with the same seed might pass.
package torture

import (
	"context"
	"flag"
	"net/http"
	"testing"
	"time"
)

var (
	killsFlag = flag.Int("torture.kills", 5, "number of serves to kill")
	lagFlag   = flag.Duration("torture.lag", 2*time.Second, "longest lag of listings; if it exceeds the settle time, double charges are allowed but must be recorded as soon as a listing shows them")
	seedFlag  = flag.Int64("torture.seed", 0, "seed of the plan; 0: from the clock")
)

// Durations that the serves are configured with. The time limit of P8 follows
// from them.
const (
	jobTimeout     = 10 * time.Second
	deadlineGrace  = 5 * time.Second
	settleTime     = 3 * time.Second
	requestTimeout = 2 * time.Second
	settleBound    = jobTimeout + deadlineGrace + settleTime + 60*time.Second
)

func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("kills whole processes for a minute")
	}
	t.Parallel() // it mostly waits
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano() % 1_000_000_000
	}
	r := newRig(t, seed)
	defer r.report()

	r.startServe(r.slots[0], false)
	if err := r.awaitServe(r.slots[0]); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.runActors(*killsFlag)
	if r.failed.Load() {
		return
	}
	r.stopFaults()
	r.faultsEnded = time.Now()
	inTime := r.settle() && r.deliverCallbacks()
	chaos, settling := r.faultsEnded.Sub(began), time.Since(r.faultsEnded)
	r.stopServes()
	r.endSampling()
	r.figures.chaos, r.figures.settling = chaos, settling
	if !inTime {
		return // the checks would report the same failure many times
	}
	v, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	r.figures.ends = v.ends()
	for _, promise := range promises {
		promise.check(r, v)
	}
}

// stopFaults ends the faults and starts everything that was killed.
func (r *rig) stopFaults() {
	r.t.Helper()
	if err := r.vendor.SetFaults(nil, 0); err != nil {
		r.t.Fatal(err)
	}
	r.redis.ensureRunning()
	r.target.acceptAll()
	if !r.slots[0].runs() {
		r.startServe(r.slots[0], false)
	}
}

// settle waits until no work is pending. The time limit is that of P8.
func (r *rig) settle() bool {
	r.t.Helper()
	ctx, cancel := context.WithDeadline(r.t.Context(), r.faultsEnded.Add(settleBound))
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		pending, err := r.pendingWork()
		if pending == "" && err == nil && r.vendor.Idle(ctx) == nil {
			if pending, err = r.pendingWork(); pending == "" && err == nil { // no work has arrived since the last check
				return true
			}
		}
		if err != nil {
			r.fail("%v", err)
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.violated("P8", ref{}, "%s after the faults ended, work is still pending: %s", settleBound, pending)
			return false
		}
	}
}

// deliveryBound is how long the delivery of all callbacks can take after the
// targets have recovered. A callback that was in progress then might wait for two
// more minutes.
const deliveryBound = 4 * time.Minute

// deliverCallbacks makes undelivered callbacks due immediately and waits until
// all are delivered.
func (r *rig) deliverCallbacks() bool {
	r.t.Helper()
	if status, answer, err := r.post(r.slots[0], "/v1/callbacks/replay?state=owed", "application/json", "", ""); err != nil || status != http.StatusAccepted {
		r.fail("replay: %d %s %v", status, answer, err)
		return false
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), deliveryBound)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		undelivered, err := r.undelivered()
		if err != nil {
			r.fail("%v", err)
			return false
		}
		if undelivered == 0 {
			return true
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.violated("P5", ref{}, "%s after the targets recovered, %d events and callbacks are still undelivered", deliveryBound, undelivered)
			return false
		}
	}
}
