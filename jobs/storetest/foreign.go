package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var foreignTests = []test{
	{"a stranger's delivery is told once", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.later(time.Second)
		seq := b.deliver("stranger", jobs.OutcomeDone)
		b.deliver(shot(id), jobs.OutcomeDone)
		second := b.deliver("stranger", jobs.OutcomeFailed)
		b.later(time.Second)
		b.apply()
		b.apply()
		b.wantForeign(seq, second)
		for _, e := range b.allEvents() {
			b.wantTime("told", e.At, b.now)
		}
	}},
	{"what is held is told when it is found to be foreign", func(b *book) {
		b.open("b1", pages(2)...)
		leases := b.sent("b1", 2)
		first := b.deliver("stranger", jobs.OutcomeDone)
		b.deliver(shot(leases[1].Job.ID), jobs.OutcomeDone)
		second := b.deliver("stranger", jobs.OutcomeDone)
		wantSame(b, "held", b.apply().Held, 3)
		b.wantForeign()
		b.later(time.Second)
		b.observe(jobs.ByCreate, seen(leases[0].Job.ID, jobs.OutcomeProcessing), seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		b.wantState(leases[1].Job.ID, jobs.Done)
		wantSame(b, "released", b.apply().Foreign, 2)
		b.apply()
		b.wantForeign(first, second)
	}},
	{"a flood that was held is told, each once", func(b *book) {
		const n = 5000
		b.open("b1", pages(1)...)
		lease := b.sent("b1", 1)[0]
		b.flood(n)
		b.quiet = true
		wantSame(b, "foreign while a doubt is open", b.applyAll().Foreign, 0)
		b.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		stores := b.openers()
		closer := func(s jobs.Store) func() error {
			return func() error {
				for {
					applied, err := s.ApplyInbox(b.ctx(), b.now, 10)
					if err != nil || !applied.More {
						return err
					}
				}
			}
		}
		race(b, closer(stores[0]), closer(stores[1]))
		var want []int64
		for _, d := range b.kept() {
			want = append(want, d.Seq)
		}
		wantSame(b, "deliveries", len(want), n)
		b.wantForeign(want...)
	}},
	{"events that close nothing are not told", func(b *book) {
		_, err := b.AppendDelivery(b.ctx(), jobs.Delivery{ReceivedAt: b.now, Event: "app.upload.finished", ScreenshotID: "x", Body: []byte("{}")})
		b.must(err, "append delivery")
		wantSame(b, "noted", b.apply().Noted, 1)
		b.wantForeign()
	}},
	{"a delivery is read by its place", func(b *book) {
		b.deliver("one", jobs.OutcomeDone)
		seq := b.deliver("two", jobs.OutcomeFailed)
		b.apply()
		d, err := b.Delivery(b.ctx(), seq)
		b.must(err, "delivery")
		if diff := cmp.Diff(b.inbox()[1], d); diff != "" {
			b.t.Fatalf("delivery %d (-in the inbox +by its place):\n%s", seq, diff)
		}
		wantSame(b, "disposition", d.Disposition, jobs.DispositionForeign)
		_, err = b.Delivery(b.ctx(), seq+1)
		b.wantErr(err, jobs.ErrNotFound, "delivery")
	}},
	{"a foreign event goes with its delivery, once all have read it", func(b *book) {
		b.openCursor("sink:a")
		var places []int64
		for i := range 4 {
			places = append(places, b.deliver("stranger", jobs.OutcomeDone))
			b.apply()
			if i == 1 {
				b.later(time.Hour)
			}
		}
		all := b.allEvents()
		wantSame(b, "pruned while nobody has read", b.prune(jobs.Retention{Foreign: b.now}), jobs.Pruned{Foreign: 2})
		b.wantForeign(places...)
		b.owe("sink:a", 0, all[0].Seq)
		wantSame(b, "pruned when one is read", b.prune(jobs.Retention{Foreign: b.now}), jobs.Pruned{Events: 1})
		b.owe("sink:a", all[0].Seq, all[3].Seq)
		wantSame(b, "pruned without a bound", b.prune(jobs.Retention{Deliveries: b.now}), jobs.Pruned{})
		wantSame(b, "pruned when all is read", b.prune(jobs.Retention{Foreign: b.now}), jobs.Pruned{Events: 1})
		b.wantForeign(places[2:]...)
		wantSame(b, "pruned by number", b.prune(jobs.Retention{MaxForeign: 1}), jobs.Pruned{Foreign: 1, Events: 1})
		b.wantForeign(places[3])
	}},
}

// wantForeign asserts which deliveries are told as foreign, in their order.
func (b *book) wantForeign(want ...int64) {
	b.t.Helper()
	got := []int64{}
	for _, e := range b.allEvents() {
		if e.Type != jobs.EventForeign {
			wantSame(b, "delivery of an event that is not foreign", e.Delivery, 0)
			continue
		}
		if e.Batch != "" || !e.Job.IsZero() || e.CallbackURL != "" || e.Revision != 0 {
			b.t.Fatalf("foreign event %+v", e)
		}
		got = append(got, e.Delivery)
	}
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		b.t.Fatalf("told of the foreign deliveries %v, want %v", got, want)
	}
}
