package orchestrator

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

const rigHeld = 10

// openDoubt is a rig whose store holds at most rigHeld deliveries, and whose first
// job has a lost create, 1001, that no listing shows. It was queued to be sent
// anew and its batch is paused, so that the doubt stays open. The second job is
// pending with 1002.
func openDoubt(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t, append([]func(*Config){one, func(c *Config) { c.MaxHeld = rigHeld }}, change...)...)
	r.load(2)
	r.vendor.script(doubtWithEffect)
	r.vendor.lagging, r.vendor.unfound = "1001", true
	r.submitAll()
	r.clock.advance(r.cfg.Settle + time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.must(r.store.Pause(r.ctx(), rigBatch, "", r.clock.Now()))
	r.expect(map[jobs.State]int64{jobs.Queued: 1, jobs.Pending: 1})
	return r
}

// makeStrangers has the account make n screenshots that are not ours, and their
// webhooks come. It returns how many were kept.
func (r *rig) makeStrangers(n int) (kept int) {
	r.t.Helper()
	for range n {
		id := fmt.Sprint(5001 + len(r.vendor.shots))
		r.vendor.shots = append(r.vendor.shots, client.Screenshot{ID: id, Status: client.StatusFinished, Tags: []string{"blog"}})
		err := r.tellOf(id)
		if err == nil {
			kept++
		} else if !errors.Is(err, jobs.ErrUnavailable) {
			r.t.Fatal(err)
		}
	}
	return kept
}

func (r *rig) tellOf(screenshot string) error {
	err := r.StoreDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot", ScreenshotID: screenshot, Outcome: jobs.OutcomeDone, Body: []byte("{}")})
	if err == nil {
		_, err = r.CloseOnce(r.ctx())
	}
	return err
}

func (r *rig) wantHeld(want int) {
	r.t.Helper()
	if _, all, err := r.store.Held(r.ctx(), r.clock.Now(), 0); err != nil || all != want {
		r.t.Errorf("%d deliveries are held (%v), want %d", all, err, want)
	}
}

func TestTheVendorIsAskedWhoseManyHeldDeliveriesAre(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.must(r.tellOf("1001"))
	r.makeStrangers(3)
	r.clock.advance(r.cfg.heldAge() + time.Second)
	before := r.vendor.calls
	r.sweep()
	r.wantHeld(4)
	if r.vendor.calls != before {
		t.Errorf("%d calls for few held deliveries", r.vendor.calls-before)
	}

	r.makeStrangers(4)
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	r.wantHeld(4) // those that are young
	if n := r.vendor.calls - before; n > 3 {
		t.Errorf("%d calls for four screenshots", n)
	}
	j := r.job(1)
	if j.State != jobs.Done || j.ClosedBy != jobs.ByWebhook || j.ScreenshotID != "1001" {
		t.Errorf("the job of the lost create is %s by %q with %q", j.State, j.ClosedBy, j.ScreenshotID)
	}
	if n := r.vendor.sent(); n != 2 {
		t.Errorf("%d creates, want 2", n)
	}
}

// TestHeldDeliveriesAreBoundedWhileTheVendorIsAway: what is ours is taken as far as
// it is known, nothing that was acknowledged is lost, and what was refused comes
// again.
func TestHeldDeliveriesAreBoundedWhileTheVendorIsAway(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.must(r.tellOf("1001"))
	r.vendor.down = &client.CallError{Op: "away"}
	if kept := r.makeStrangers(3 * rigHeld); kept != rigHeld-1 {
		t.Errorf("%d strangers' deliveries were kept, want %d", kept, rigHeld-1)
	}
	r.must(r.tellOf("1002"))
	if j := r.job(2); j.State != jobs.Done {
		t.Errorf("the job whose screenshot is known is %s", j.State)
	}
	r.clock.advance(r.cfg.heldAge() + time.Second)
	if err := r.SweepOnce(r.ctx()); err == nil {
		t.Error("nobody is told that the vendor is away")
	}
	r.wantHeld(rigHeld)

	r.vendor.down = nil
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	r.wantHeld(0)
	if j := r.job(1); j.State != jobs.Done || j.ClosedBy != jobs.ByWebhook {
		t.Errorf("the job of the lost create is %s by %q", j.State, j.ClosedBy)
	}
	if err := r.tellOf("5010"); err != nil {
		t.Errorf("a delivery that comes again is refused: %v", err)
	}
}

// TestManyHeldDeliveriesAreAskedAboutInBulk, those that the vendor does not know
// singly, a few in each sweep.
func TestManyHeldDeliveriesAreAskedAboutInBulk(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.cfg.MaxHeld = 1000
	other := r.another("worker2", func(c *Config) { c.MaxHeld = 1000 })
	r.Orchestrator = other
	r.makeStrangers(500)
	for i := range 30 {
		r.must(r.tellOf(fmt.Sprint("unknown", i)))
	}
	r.clock.advance(r.cfg.heldAge() + time.Second)
	before := r.vendor.calls
	r.sweep()
	r.wantHeld(30 - heldSingly)
	if n := r.vendor.calls - before; n > 500/listPage+heldInVain+heldSingly+1 {
		t.Errorf("%d calls for 500 screenshots and %d", n, heldSingly)
	}
	foreign := 0
	page, _, err := r.all.Deliveries(r.ctx(), 0, 1000)
	r.must(err)
	for _, d := range page {
		if d.Disposition == jobs.DispositionForeign {
			foreign++
		}
	}
	if foreign != 500+heldSingly {
		t.Errorf("%d are foreign, want %d", foreign, 500+heldSingly)
	}
}

// A screenshot at which the vendor stumbles does not keep others from being asked
// about, nor do more of them than one sweep asks about.
func TestHeldScreenshotsThatCannotBeLookedUpDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]int{"one": 1, "more than a sweep asks about": heldSingly + 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openDoubt(t, func(c *Config) { c.MaxHeld = 2 * (bad + 5) })
			r.vendor.onInfo = func(id string) error {
				if strings.HasPrefix(id, "bad") {
					return &client.APIError{Op: "get screenshot", Status: 500}
				}
				return nil
			}
			for i := range bad {
				r.must(r.tellOf(fmt.Sprint("bad", i)))
			}
			for i := range 5 {
				r.must(r.tellOf(fmt.Sprint("gone", i))) // the vendor does not know them
			}
			r.clock.advance(r.cfg.heldAge() + time.Second)
			reported := false
			for range 3 {
				err := r.SweepOnce(r.ctx())
				reported = reported || err != nil
				r.clock.advance(r.cfg.SweepEvery)
			}
			r.wantHeld(bad)
			if !reported {
				t.Error("no sweep reports the look-ups that failed")
			}
		})
	}
}
