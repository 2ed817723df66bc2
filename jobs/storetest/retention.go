package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

const day = 24 * time.Hour

var retentionTests = []test{
	{"strangers' deliveries are bounded, the newest stay", func(b *book) {
		const n, most = 2500, 100
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.flood(n)
		b.deliver(shot(id), jobs.OutcomeDone)
		b.flood(n)
		newest := b.deliver("x", jobs.OutcomeDone)
		b.applyAll()
		pruned := b.prune(jobs.Retention{MaxForeign: most})
		wantSame(b, "pruned", pruned, jobs.Pruned{Foreign: 2*n + 1 - most, Events: 2*n + 1 - most})
		kept := b.kept()
		wantSame(b, "deliveries kept", len(kept), most+1)
		wantSame(b, "first of them", kept[0].ScreenshotID, shot(id))
		wantSame(b, "newest of them", kept[most].Seq, newest)
		wantSame(b, "pruned a second time", b.prune(jobs.Retention{MaxForeign: most}), jobs.Pruned{})
	}},
	{"each kind has its own bound", func(b *book) {
		for i := range 6 {
			b.deliver(fmt.Sprint("x", i), jobs.OutcomeDone)
			_, err := b.AppendDelivery(b.ctx(), jobs.Delivery{ReceivedAt: b.now, Event: "batch.finished", Body: []byte("{}")})
			b.must(err, "append delivery")
		}
		wantSame(b, "noted", b.apply().Noted, 6)
		pruned := b.prune(jobs.Retention{MaxForeign: 2})
		wantSame(b, "pruned", pruned.Foreign, 8)
		kinds := map[jobs.Disposition]int{}
		for _, d := range b.kept() {
			kinds[d.Disposition]++
		}
		wantSame(b, "foreign kept", kinds[jobs.DispositionForeign], 2)
		wantSame(b, "noted kept", kinds[jobs.DispositionNoted], 2)
	}},
	{"deliveries go by their age", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		for range 2 {
			b.deliver("stranger", jobs.OutcomeDone)
			b.webhook(ids[0], jobs.OutcomeDone)
			b.later(10 * day)
		}
		b.webhook(ids[1], jobs.OutcomeDone)
		b.deliver("stranger", jobs.OutcomeDone)
		b.apply()
		places := func() (seqs []int64) {
			for _, d := range b.kept() {
				seqs = append(seqs, d.Seq)
			}
			return seqs
		}
		all := places()
		wantSame(b, "deliveries", len(all), 6)
		wantSame(b, "pruned", b.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(b, "pruned", b.prune(jobs.Retention{Foreign: b.now.Add(-15 * day)}), jobs.Pruned{Foreign: 1, Events: 1})
		wantSame(b, "pruned", b.prune(jobs.Retention{Deliveries: b.now.Add(-5 * day)}), jobs.Pruned{Deliveries: 2})
		if got, want := places(), []int64{all[2], all[4], all[5]}; !slices.Equal(got, want) {
			b.t.Fatalf("kept the deliveries at %v, want %v", got, want)
		}
	}},
	{"what is not applied, held or the newest stays", func(b *book) {
		b.open("b1", pages(2)...)
		lease := b.sent("b1", 1)[0]
		b.later(time.Second)
		b.deliver(shot(lease.Job.ID), jobs.OutcomeDone)
		b.apply()
		b.wantDisposition(shot(lease.Job.ID), jobs.DispositionHeld)
		b.deliver("unread", jobs.OutcomeDone)
		b.later(100 * day)
		everything := jobs.Retention{Foreign: b.now, MaxForeign: 1, Deliveries: b.now, Events: b.now}
		wantSame(b, "pruned", b.prune(everything), jobs.Pruned{})
		e := b.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: lease.Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		b.apply()
		wantSame(b, "pruned", b.prune(everything), jobs.Pruned{Deliveries: 1})
		kept := b.kept()
		wantSame(b, "deliveries kept", len(kept), 1)
		if next := b.deliver("next", jobs.OutcomeDone); next <= kept[0].Seq {
			b.t.Fatalf("place %d was given after %d", next, kept[0].Seq)
		}
	}},
	{"the newest stays although it is applied", func(b *book) {
		b.open("b1", pages(2)...)
		for _, id := range b.pending("b1", 2) {
			b.webhook(id, jobs.OutcomeDone)
		}
		b.later(100 * day)
		wantSame(b, "pruned", b.prune(jobs.Retention{Deliveries: b.now}), jobs.Pruned{Deliveries: 1})
		wantSame(b, "deliveries kept", len(b.kept()), 1)
	}},
	{"a replay of a pruned delivery is harmless", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.deliver("stranger", jobs.OutcomeDone)
		b.apply()
		b.later(day)
		b.deliver("last", jobs.OutcomeDone)
		b.apply()
		b.prune(jobs.Retention{Foreign: b.now, Deliveries: b.now})
		wantSame(b, "deliveries", len(b.kept()), 1)
		b.deliver(shot(ids[0]), jobs.OutcomeDone)
		b.deliver("stranger", jobs.OutcomeDone)
		applied := b.apply()
		b.wantClosed(applied.Effects)
		wantSame(b, "foreign", applied.Foreign, 1)
		wantSame(b, "conflicts", applied.Conflicts, 0)
		b.deliver(shot(ids[0]), jobs.OutcomeFailed)
		wantSame(b, "conflicts of a contradiction", b.apply().Conflicts, 1)
		b.wantState(ids[0], jobs.Done)
	}},
	{"events of batches that have not finished stay", func(b *book) {
		b.open("ended", pages(1)...)
		b.open("going", pages(2)...)
		b.webhook(b.pending("ended", 1)[0], jobs.OutcomeDone)
		b.webhook(b.pending("going", 1)[0], jobs.OutcomeDone)
		b.later(day)
		b.open("young", pages(1)...)
		b.webhook(b.pending("young", 1)[0], jobs.OutcomeDone)
		b.quiet = true // the audit asks for the whole history
		wantSame(b, "pruned", b.prune(jobs.Retention{Events: b.now.Add(-day)}), jobs.Pruned{})
		wantSame(b, "pruned", b.prune(jobs.Retention{Events: b.now}), jobs.Pruned{Events: 2})
		var left []string
		for _, e := range b.allEvents() {
			left = append(left, e.Batch)
		}
		if want := []string{"going", "young", "young"}; !slices.Equal(left, want) {
			b.t.Fatalf("events of %v are left, want %v", left, want)
		}
		last := b.allEvents()[2].Seq
		b.later(day)
		b.webhook(b.pending("going", 1)[0], jobs.OutcomeDone)
		b.prune(jobs.Retention{Events: b.now.Add(time.Second)})
		b.open("new", pages(1)...)
		b.webhook(b.pending("new", 1)[0], jobs.OutcomeDone)
		if next := b.allEvents()[0].Seq; next <= last {
			b.t.Fatalf("event at place %d after one at %d", next, last)
		}
	}},
	{"older revisions, lost workers and old ticks go", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.shut(timeOut(id))
		b.saved("b1", 1, "one", true)
		b.webhook(id, jobs.OutcomeDone)
		for _, w := range []jobs.Worker{{ID: "gone", SeenAt: b.now}, {ID: "here", PID: 1, SeenAt: b.now.Add(day)}} {
			b.must(b.Announce(b.ctx(), w), "announce")
		}
		_, err := b.ClaimTick(b.ctx(), "old", b.now, b.now.Add(time.Second))
		b.must(err, "claim tick")
		_, err = b.ClaimTick(b.ctx(), "young", b.now, b.now.Add(2*day))
		b.must(err, "claim tick")
		b.later(day)
		b.quiet = true
		all := jobs.Retention{Events: b.now, Workers: b.now, Ticks: b.now}
		wantSame(b, "pruned while revision 2 is owed", b.prune(all).Summaries, 0)
		b.saved("b1", 2, "two", true)
		b.wantSummary("b1", 2, "two")
		b.must(b.Announce(b.ctx(), jobs.Worker{ID: "gone", SeenAt: b.now.Add(-day)}), "announce")
		_, err = b.ClaimTick(b.ctx(), "old", b.now, b.now.Add(time.Second))
		b.must(err, "claim tick")
		b.later(time.Hour)
		all = jobs.Retention{Events: b.now, Workers: b.now.Add(-day), Ticks: b.now}
		wantSame(b, "pruned", b.prune(all), jobs.Pruned{Summaries: 1, Workers: 1, Ticks: 1})
		b.wantSummary("b1", 2, "two")
		workers, err := b.Workers(b.ctx(), time.Time{})
		b.must(err, "workers")
		wantSame(b, "workers left", len(workers), 1)
		won, err := b.ClaimTick(b.ctx(), "young", b.now, b.now.Add(2*day))
		b.must(err, "claim tick")
		wantSame(b, "young tick", won, false)
	}},
	{"a flood that was held is released a portion at a time", func(b *book) {
		const n = 6000
		b.open("b1", pages(1)...)
		lease := b.sent("b1", 1)[0]
		b.later(time.Second)
		b.flood(n)
		b.deliver(shot(lease.Job.ID), jobs.OutcomeDone)
		b.quiet = true
		wantSame(b, "foreign while a doubt is open", b.applyAll().Foreign, 0)
		e := b.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: lease.Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		first, err := b.ApplyInbox(b.ctx(), b.now, 10)
		b.must(err, "apply inbox")
		if !first.More || first.Foreign == 0 || first.Foreign >= n {
			b.t.Fatalf("one step released %d of %d, more: %t", first.Foreign, n, first.More)
		}
		wantSame(b, "released", first.Foreign+b.applyAll().Foreign, n)
		out, err := b.Outstanding(b.ctx())
		b.must(err, "outstanding")
		wantSame(b, "held", out.Held, 0)
	}},
}

// flood appends n deliveries of strangers.
func (b *book) flood(n int) {
	b.t.Helper()
	crowd(b, 20, func(worker int) error {
		for i := worker; i < n; i += 20 {
			if _, err := b.AppendDelivery(b.ctx(), b.told("flood", jobs.OutcomeDone)); err != nil {
				return err
			}
		}
		return nil
	})
}

// applyAll applies the inbox until nothing is left to do.
func (b *book) applyAll() (sum jobs.Applied) {
	b.t.Helper()
	for {
		applied, err := b.ApplyInbox(b.ctx(), b.now, 1000)
		b.must(err, "apply inbox")
		sum.Read += applied.Read
		sum.Foreign += applied.Foreign
		sum.Noted += applied.Noted
		if !applied.More {
			return sum
		}
	}
}

func (b *book) prune(r jobs.Retention) jobs.Pruned {
	b.t.Helper()
	pruned, err := b.Prune(b.ctx(), r)
	b.must(err, "prune %+v", r)
	b.check()
	return pruned
}

// kept reads all deliveries, however many.
func (b *book) kept() (all []jobs.KeptDelivery) {
	b.t.Helper()
	for after := int64(0); ; after = all[len(all)-1].Seq {
		page, _, err := b.Deliveries(b.ctx(), after, 1000)
		b.must(err, "deliveries")
		if all = append(all, page...); len(page) == 0 {
			return all
		}
	}
}
