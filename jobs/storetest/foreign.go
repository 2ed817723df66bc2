package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var foreignTests = []test{
	{"a foreign delivery has one event", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.later(time.Second)
		seq := f.deliver("stranger", jobs.OutcomeDone)
		f.deliver(shot(id), jobs.OutcomeDone)
		second := f.deliver("stranger", jobs.OutcomeFailed)
		f.later(time.Second)
		f.apply()
		f.apply()
		f.wantForeign(seq, second)
		for _, e := range f.allEvents() {
			f.wantTime("event", e.At, f.now)
		}
	}},
	{"a held delivery has an event once it is foreign", func(f *fixture) {
		f.open("b1", pages(2)...)
		leases := f.leaseAndIntend("b1", 2)
		first := f.deliver("stranger", jobs.OutcomeDone)
		f.deliver(shot(leases[1].Job.ID), jobs.OutcomeDone)
		second := f.deliver("stranger", jobs.OutcomeDone)
		wantSame(f, "held", f.apply().Held, 3)
		f.wantForeign()
		f.later(time.Second)
		f.observe(jobs.ByCreate, seen(leases[0].Job.ID, jobs.OutcomeProcessing), seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		f.wantState(leases[1].Job.ID, jobs.Done)
		wantSame(f, "released", f.apply().Foreign, 2)
		f.apply()
		f.wantForeign(first, second)
	}},
	{"each of very many held deliveries has one event", func(f *fixture) {
		const n = MaxHeld - 100
		f.open("b1", pages(1)...)
		lease := f.leaseAndIntend("b1", 1)[0]
		f.deliverForeign(n)
		f.uncheckedSteps = true
		wantSame(f, "foreign while a doubt is open", f.applyAll().Foreign, 0)
		f.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		stores := f.twoStores()
		closer := func(s jobs.Store) func() error {
			return func() error {
				for {
					applied, err := s.ApplyInbox(f.ctx(), f.now, 10)
					if err != nil || !applied.More {
						return err
					}
				}
			}
		}
		simultaneously(f, closer(stores[0]), closer(stores[1]))
		var want []int64
		for _, d := range f.allDeliveries() {
			want = append(want, d.Seq)
		}
		wantSame(f, "deliveries", len(want), n)
		f.wantForeign(want...)
	}},
	{"deliveries without a result have no event", func(f *fixture) {
		_, err := f.AppendDelivery(f.ctx(), jobs.Delivery{ReceivedAt: f.now, Event: "app.upload.finished", ScreenshotID: "x", Body: []byte("{}")})
		f.must(err, "append delivery")
		wantSame(f, "noted", f.apply().Noted, 1)
		f.wantForeign()
	}},
	{"a delivery is read by its place", func(f *fixture) {
		f.deliver("one", jobs.OutcomeDone)
		seq := f.deliver("two", jobs.OutcomeFailed)
		f.apply()
		d, err := f.Delivery(f.ctx(), seq)
		f.must(err, "delivery")
		if diff := cmp.Diff(f.inbox()[1], d); diff != "" {
			f.t.Fatalf("delivery %d (-in the inbox +by its place):\n%s", seq, diff)
		}
		wantSame(f, "disposition", d.Disposition, jobs.DispositionForeign)
		_, err = f.Delivery(f.ctx(), seq+1)
		f.wantErr(err, jobs.ErrNotFound, "delivery")
	}},
	{"a foreign event is pruned with its delivery after all readers have read it", func(f *fixture) {
		f.openCursor("sink:a")
		var places []int64
		for i := range 4 {
			places = append(places, f.deliver("stranger", jobs.OutcomeDone))
			f.apply()
			if i == 1 {
				f.later(time.Hour)
			}
		}
		all := f.allEvents()
		wantSame(f, "pruned before it was read", f.prune(jobs.Retention{Foreign: f.now}), jobs.Pruned{Foreign: 2})
		f.wantForeign(places...)
		f.addCallbacks("sink:a", 0, all[0].Seq)
		wantSame(f, "pruned when one is read", f.prune(jobs.Retention{Foreign: f.now}), jobs.Pruned{Events: 1})
		f.addCallbacks("sink:a", all[0].Seq, all[3].Seq)
		wantSame(f, "pruned without a limit", f.prune(jobs.Retention{Deliveries: f.now}), jobs.Pruned{})
		wantSame(f, "pruned when all is read", f.prune(jobs.Retention{Foreign: f.now}), jobs.Pruned{Events: 1})
		f.wantForeign(places[2:]...)
		wantSame(f, "pruned by number", f.prune(jobs.Retention{MaxForeign: 1}), jobs.Pruned{Foreign: 1, Events: 1})
		f.wantForeign(places[3])
	}},
}

// wantForeign asserts which deliveries have a foreign event, in order.
func (f *fixture) wantForeign(want ...int64) {
	f.t.Helper()
	got := []int64{}
	for _, e := range f.allEvents() {
		if e.Type != jobs.EventForeign {
			wantSame(f, "delivery of an event that is not foreign", e.Delivery, 0)
			continue
		}
		if e.Batch != "" || !e.Job.IsZero() || e.CallbackURL != "" || e.Revision != 0 {
			f.t.Fatalf("foreign event %+v", e)
		}
		got = append(got, e.Delivery)
	}
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		f.t.Fatalf("foreign events of the deliveries %v, want %v", got, want)
	}
}
