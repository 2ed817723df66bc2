// Package torture holds one test. It runs the real binary, several processes on
// one database, beside a vendor that goes wrong in every way it knows, kills
// them and Redis at random moments, and then checks the promises of the README
// from outside: against the vendor's ledger, against what passed the gate of
// the webhooks, against its own list of rows, and by its own SQL.
//
// What is planned follows from the seed; what happens follows from the machine
// as well. A run that failed need not fail again.
package torture

import (
	"context"
	"flag"
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
	r.calm()
	r.faultsEnded = time.Now()
	inTime := r.settle()
	chaos, settling := r.faultsEnded.Sub(began), time.Since(r.faultsEnded)
	r.stopServes()
	r.endSampling()
	r.figures.chaos, r.figures.settling = chaos, settling
	if !inTime {
		return // the rest would say the same a hundred times
	}
	v := r.read()
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
		owed := r.owed()
		if owed == "" && r.vendor.Idle(ctx) == nil {
			if owed = r.owed(); owed == "" { // nothing came after the last look
				return true
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.violates("P8", subject{}, "%s after the faults ended there is still owed: %s", settleBound, owed)
			return false
		}
	}
}
