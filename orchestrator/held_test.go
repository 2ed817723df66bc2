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

// openDoubt returns a rig whose store holds at most rigHeld deliveries. The first
// job has a lost create, 1001, that no listing shows. It is queued to be sent
// again, but its batch is paused, so the doubt stays open. The second job is
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

// addForeign adds n screenshots of other programs to the account and delivers
// their webhooks. It returns how many deliveries were stored.
func (r *rig) addForeign(n int) (kept int) {
	r.t.Helper()
	for range n {
		id := fmt.Sprint(5001 + len(r.vendor.shots))
		r.vendor.shots = append(r.vendor.shots, client.Screenshot{ID: id, Status: client.StatusFinished, Tags: []string{"blog"}})
		err := r.deliver(id)
		if err == nil {
			kept++
		} else if !errors.Is(err, jobs.ErrUnavailable) {
			r.t.Fatal(err)
		}
	}
	return kept
}

func (r *rig) deliver(screenshot string) error {
	err := r.StoreDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot", ScreenshotID: screenshot, Outcome: jobs.OutcomeDone, Body: []byte("{}")})
	if err == nil {
		_, err = r.CloseOnce(r.ctx())
	}
	return err
}

func (r *rig) wantHeld(want int) {
	r.t.Helper()
	if _, all, err := r.store.Held(r.ctx(), r.clock.Now(), 0); err != nil || all != want {
		r.t.Errorf("got %d held deliveries and error %v, want %d", all, err, want)
	}
}

func TestManyHeldDeliveriesAreLookedUp(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.must(r.deliver("1001"))
	r.addForeign(3)
	r.clock.advance(r.cfg.heldAge() + time.Second)
	before := r.vendor.calls
	r.sweep()
	r.wantHeld(4)
	if r.vendor.calls != before {
		t.Errorf("got %d calls although few deliveries are held", r.vendor.calls-before)
	}

	r.addForeign(4)
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	r.wantHeld(4) // the young deliveries
	if n := r.vendor.calls - before; n > 3 {
		t.Errorf("%d calls for four screenshots", n)
	}
	j := r.job(1)
	if j.State != jobs.Done || j.ClosedBy != jobs.ByWebhook || j.ScreenshotID != "1001" {
		t.Errorf("job of the lost create: got %s by %q with screenshot %q", j.State, j.ClosedBy, j.ScreenshotID)
	}
	if n := r.vendor.sent(); n != 2 {
		t.Errorf("%d creates, want 2", n)
	}
}

// While the vendor is down, deliveries for known screenshots are applied, stored
// deliveries stay, and the refused ones can be repeated.
func TestHeldDeliveriesAreBoundedWhileTheVendorIsDown(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.must(r.deliver("1001"))
	r.vendor.down = &client.CallError{Op: "unavailable"}
	if kept := r.addForeign(3 * rigHeld); kept != rigHeld-1 {
		t.Errorf("got %d foreign deliveries stored, want %d", kept, rigHeld-1)
	}
	r.must(r.deliver("1002"))
	if j := r.job(2); j.State != jobs.Done {
		t.Errorf("job with a known screenshot is %s, want done", j.State)
	}
	r.clock.advance(r.cfg.heldAge() + time.Second)
	if err := r.SweepOnce(r.ctx()); err == nil {
		t.Error("SweepOnce returned no error although the vendor is down")
	}
	r.wantHeld(rigHeld)

	r.vendor.down = nil
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	r.wantHeld(0)
	if j := r.job(1); j.State != jobs.Done || j.ClosedBy != jobs.ByWebhook {
		t.Errorf("job of the lost create: got %s by %q", j.State, j.ClosedBy)
	}
	if err := r.deliver("5010"); err != nil {
		t.Errorf("a repeated delivery is refused: %v", err)
	}
}

// Screenshots that are unknown to the vendor are queried one by one, a few in
// each sweep.
func TestHeldDeliveriesAreLookedUpInBulk(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	r.cfg.MaxHeld = 1000
	other := r.newWorker("worker2", func(c *Config) { c.MaxHeld = 1000 })
	r.Orchestrator = other
	r.addForeign(500)
	for i := range 30 {
		r.must(r.deliver(fmt.Sprint("unknown", i)))
	}
	r.clock.advance(r.cfg.heldAge() + time.Second)
	before := r.vendor.calls
	r.sweep()
	r.wantHeld(30 - heldSingly)
	if n := r.vendor.calls - before; n > 500/listPage+heldInVain+heldSingly+1 {
		t.Errorf("%d calls for 500 screenshots and %d", n, heldSingly)
	}
	foreign := 0
	page, _, err := r.full.Deliveries(r.ctx(), 0, 1000)
	r.must(err)
	for _, d := range page {
		if d.Disposition == jobs.DispositionForeign {
			foreign++
		}
	}
	if foreign != 500+heldSingly {
		t.Errorf("got %d foreign deliveries, want %d", foreign, 500+heldSingly)
	}
}

// Screenshots for which the vendor returns an error do not delay the look-up of
// others, even if there are more of them than one sweep looks up.
func TestFailedLookUpsOfHeldDeliveriesDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]int{"one": 1, "more than a sweep looks up": heldSingly + 3} {
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
				r.must(r.deliver(fmt.Sprint("bad", i)))
			}
			for i := range 5 {
				r.must(r.deliver(fmt.Sprint("gone", i))) // unknown to the vendor
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
				t.Error("no sweep reported the failed look-ups")
			}
		})
	}
}
