// Package torture holds one test. It runs the real binary, several processes on
// one database, beside a vendor that goes wrong in every way it knows, kills
// them and Redis at random moments, and then checks the promises P1 to P10
// from outside: against the vendor's ledger, against what passed the gate of
// the webhooks, against its own list of rows, and by its own SQL.
//
// What is planned follows from the seed; what happens follows from the machine
// as well. A run that failed need not fail again.
package torture

import (
	"context"
	"flag"
	"net/http"
	"testing"
	"time"
)

var (
	killsFlag = flag.Int("torture.kills", 5, "how many times a serve is killed")
	lagFlag   = flag.Duration("torture.lag", 2*time.Second, "how long listings lag at most; beyond the settle time double charges are right, if they are recorded as soon as a listing shows them")
	seedFlag  = flag.Int64("torture.seed", 0, "what the plan follows from; 0: the clock")
)

// The durations that the serves are given, and with them what P8 allows.
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
	t.Parallel() // it waits more than it works
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano() % 1_000_000_000
	}
	r := newRig(t, seed)
	defer r.report()

	r.startServe(r.slots[0], false)
	began := time.Now()
	r.live(*killsFlag)
	if r.broken.Load() {
		return
	}
	r.calm()
	r.faultsEnded = time.Now()
	inTime := r.settle() && r.tell()
	chaos, settling := r.faultsEnded.Sub(began), time.Since(r.faultsEnded)
	r.stopServes()
	r.endSampling()
	r.figures.chaos, r.figures.settling = chaos, settling
	if !inTime {
		return // the rest would say the same a hundred times
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

// calm ends the faults: everything that was broken is mended, what was killed
// is started.
func (r *rig) calm() {
	r.t.Helper()
	if err := r.vendor.SetFaults(nil, 0); err != nil {
		r.t.Fatal(err)
	}
	r.redis.mend()
	r.ear.settleDown()
	if !r.slots[0].runs() {
		r.startServe(r.slots[0], false)
	}
}

// settle waits until nothing is owed any more, within what P8 allows.
func (r *rig) settle() bool {
	r.t.Helper()
	ctx, cancel := context.WithDeadline(r.t.Context(), r.faultsEnded.Add(settleBound))
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		owed, err := r.owed()
		if owed == "" && err == nil && r.vendor.Idle(ctx) == nil {
			if owed, err = r.owed(); owed == "" && err == nil { // nothing came after the last look
				return true
			}
		}
		if err != nil {
			r.breaks("%v", err)
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.violates("P8", subject{}, "%s after the faults ended there is still owed: %s", settleBound, owed)
			return false
		}
	}
}

// toldBound is how long everybody may take to be told, when the targets answer
// again: the callbacks that were under way then may wait for two minutes more.
const toldBound = 4 * time.Minute

// tell has what waits for its next attempt tried at once, and waits until everybody
// has been told.
func (r *rig) tell() bool {
	r.t.Helper()
	if status, answer, err := r.post(r.slots[0], "/v1/callbacks/replay?state=owed", "application/json", "", ""); err != nil || status != http.StatusAccepted {
		r.breaks("replay: %d %s %v", status, answer, err)
		return false
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), toldBound)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		untold, err := r.untold()
		if err != nil {
			r.breaks("%v", err)
			return false
		}
		if untold == 0 {
			return true
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.violates("P5", subject{}, "%s after the targets answer again %d events and callbacks are still owed", toldBound, untold)
			return false
		}
	}
}
