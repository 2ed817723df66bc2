package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

const day = 24 * time.Hour

var retentionTests = []test{
	{"foreign deliveries are limited, the newest stay", func(f *fixture) {
		const n, most = 2500, 100
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.deliverForeign(n)
		f.deliver(shot(id), jobs.OutcomeDone)
		f.deliverForeign(n)
		newest := f.deliver("x", jobs.OutcomeDone)
		f.applyAll()
		pruned := f.prune(jobs.Retention{MaxForeign: most})
		wantSame(f, "pruned", pruned, jobs.Pruned{Foreign: 2*n + 1 - most, Events: 2*n + 1 - most})
		kept := f.allDeliveries()
		wantSame(f, "deliveries kept", len(kept), most+1)
		wantSame(f, "first of them", kept[0].ScreenshotID, shot(id))
		wantSame(f, "newest of them", kept[most].Seq, newest)
		wantSame(f, "pruned a second time", f.prune(jobs.Retention{MaxForeign: most}), jobs.Pruned{})
	}},
	{"each kind has its own limit", func(f *fixture) {
		for i := range 6 {
			f.deliver(fmt.Sprint("x", i), jobs.OutcomeDone)
			_, err := f.AppendDelivery(f.ctx(), jobs.Delivery{ReceivedAt: f.now, Event: "batch.finished", Body: []byte("{}")})
			f.must(err, "append delivery")
		}
		wantSame(f, "noted", f.apply().Noted, 6)
		pruned := f.prune(jobs.Retention{MaxForeign: 2})
		wantSame(f, "pruned", pruned.Foreign, 8)
		kinds := map[jobs.Disposition]int{}
		for _, d := range f.allDeliveries() {
			kinds[d.Disposition]++
		}
		wantSame(f, "foreign kept", kinds[jobs.DispositionForeign], 2)
		wantSame(f, "noted kept", kinds[jobs.DispositionNoted], 2)
	}},
	{"deliveries are removed by age", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		for range 2 {
			f.deliver("stranger", jobs.OutcomeDone)
			f.webhook(ids[0], jobs.OutcomeDone)
			f.later(10 * day)
		}
		f.webhook(ids[1], jobs.OutcomeDone)
		f.deliver("stranger", jobs.OutcomeDone)
		f.apply()
		places := func() (seqs []int64) {
			for _, d := range f.allDeliveries() {
				seqs = append(seqs, d.Seq)
			}
			return seqs
		}
		all := places()
		wantSame(f, "deliveries", len(all), 6)
		wantSame(f, "pruned", f.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(f, "pruned", f.prune(jobs.Retention{Foreign: f.now.Add(-15 * day)}), jobs.Pruned{Foreign: 1, Events: 1})
		wantSame(f, "pruned", f.prune(jobs.Retention{Deliveries: f.now.Add(-5 * day)}), jobs.Pruned{Deliveries: 2})
		if got, want := places(), []int64{all[2], all[4], all[5]}; !slices.Equal(got, want) {
			f.t.Fatalf("kept the deliveries at %v, want %v", got, want)
		}
	}},
	{"deliveries that are unapplied, held or the newest stay", func(f *fixture) {
		f.open("b1", pages(2)...)
		lease := f.leaseAndIntend("b1", 1)[0]
		f.later(time.Second)
		f.deliver(shot(lease.Job.ID), jobs.OutcomeDone)
		f.apply()
		f.wantDisposition(shot(lease.Job.ID), jobs.DispositionHeld)
		f.deliver("unread", jobs.OutcomeDone)
		f.later(100 * day)
		everything := jobs.Retention{Foreign: f.now, MaxForeign: 1, Deliveries: f.now, Events: f.now}
		wantSame(f, "pruned", f.prune(everything), jobs.Pruned{})
		e := f.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: lease.Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		f.apply()
		wantSame(f, "pruned", f.prune(everything), jobs.Pruned{Deliveries: 1})
		kept := f.allDeliveries()
		wantSame(f, "deliveries kept", len(kept), 1)
		if next := f.deliver("next", jobs.OutcomeDone); next <= kept[0].Seq {
			f.t.Fatalf("place %d was given after %d", next, kept[0].Seq)
		}
	}},
	{"the newest delivery stays although it is applied", func(f *fixture) {
		f.open("b1", pages(2)...)
		for _, id := range f.pending("b1", 2) {
			f.webhook(id, jobs.OutcomeDone)
		}
		f.later(100 * day)
		wantSame(f, "pruned", f.prune(jobs.Retention{Deliveries: f.now}), jobs.Pruned{Deliveries: 1})
		wantSame(f, "deliveries kept", len(f.allDeliveries()), 1)
	}},
	{"a replay of a pruned delivery is harmless", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.deliver("stranger", jobs.OutcomeDone)
		f.apply()
		f.later(day)
		f.deliver("last", jobs.OutcomeDone)
		f.apply()
		f.prune(jobs.Retention{Foreign: f.now, Deliveries: f.now})
		wantSame(f, "deliveries", len(f.allDeliveries()), 1)
		f.deliver(shot(ids[0]), jobs.OutcomeDone)
		f.deliver("stranger", jobs.OutcomeDone)
		applied := f.apply()
		f.wantClosed(applied.Effects)
		wantSame(f, "foreign", applied.Foreign, 1)
		wantSame(f, "conflicts", applied.Conflicts, 0)
		f.deliver(shot(ids[0]), jobs.OutcomeFailed)
		wantSame(f, "conflicts of a contradiction", f.apply().Conflicts, 1)
		f.wantState(ids[0], jobs.Done)
	}},
	{"events of unfinished batches stay", func(f *fixture) {
		f.open("ended", pages(1)...)
		f.open("going", pages(2)...)
		f.webhook(f.pending("ended", 1)[0], jobs.OutcomeDone)
		f.webhook(f.pending("going", 1)[0], jobs.OutcomeDone)
		f.later(day)
		f.open("young", pages(1)...)
		f.webhook(f.pending("young", 1)[0], jobs.OutcomeDone)
		f.uncheckedSteps = true // the audit reads the whole history
		wantSame(f, "pruned", f.prune(jobs.Retention{Events: f.now.Add(-day)}), jobs.Pruned{})
		wantSame(f, "pruned", f.prune(jobs.Retention{Events: f.now}), jobs.Pruned{Events: 2})
		var left []string
		for _, e := range f.allEvents() {
			left = append(left, e.Batch)
		}
		if want := []string{"going", "young", "young"}; !slices.Equal(left, want) {
			f.t.Fatalf("events of %v are left, want %v", left, want)
		}
		last := f.allEvents()[2].Seq
		f.later(day)
		f.webhook(f.pending("going", 1)[0], jobs.OutcomeDone)
		f.prune(jobs.Retention{Events: f.now.Add(time.Second)})
		f.open("new", pages(1)...)
		f.webhook(f.pending("new", 1)[0], jobs.OutcomeDone)
		if next := f.allEvents()[0].Seq; next <= last {
			f.t.Fatalf("event at place %d after one at %d", next, last)
		}
	}},
	{"older revisions, lost workers and old ticks are removed", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.closeJobs(timeOut(id))
		f.saveSummary("b1", 1, "one", true)
		f.webhook(id, jobs.OutcomeDone)
		for _, w := range []jobs.Worker{{ID: "gone", SeenAt: f.now}, {ID: "here", PID: 1, SeenAt: f.now.Add(day)}} {
			f.must(f.Announce(f.ctx(), w), "announce")
		}
		_, err := f.ClaimTick(f.ctx(), "old", f.now, f.now.Add(time.Second))
		f.must(err, "claim tick")
		_, err = f.ClaimTick(f.ctx(), "young", f.now, f.now.Add(2*day))
		f.must(err, "claim tick")
		f.later(day)
		f.uncheckedSteps = true
		all := jobs.Retention{Events: f.now, Workers: f.now, Ticks: f.now}
		wantSame(f, "pruned before revision 2 has a summary", f.prune(all).Summaries, 0)
		f.saveSummary("b1", 2, "two", true)
		f.wantSummary("b1", 2, "two")
		f.must(f.Announce(f.ctx(), jobs.Worker{ID: "gone", SeenAt: f.now.Add(-day)}), "announce")
		_, err = f.ClaimTick(f.ctx(), "old", f.now, f.now.Add(time.Second))
		f.must(err, "claim tick")
		f.later(time.Hour)
		all = jobs.Retention{Events: f.now, Workers: f.now.Add(-day), Ticks: f.now}
		wantSame(f, "pruned", f.prune(all), jobs.Pruned{Summaries: 1, Workers: 1, Ticks: 1})
		f.wantSummary("b1", 2, "two")
		workers, err := f.Workers(f.ctx(), time.Time{})
		f.must(err, "workers")
		wantSame(f, "workers left", len(workers), 1)
		won, err := f.ClaimTick(f.ctx(), "young", f.now, f.now.Add(2*day))
		f.must(err, "claim tick")
		wantSame(f, "young tick", won, false)
	}},
	{"very many held deliveries are released in portions", func(f *fixture) {
		const n = MaxHeld - 100
		f.open("b1", pages(1)...)
		lease := f.leaseAndIntend("b1", 1)[0]
		f.later(time.Second)
		f.deliverForeign(n)
		f.deliver(shot(lease.Job.ID), jobs.OutcomeDone)
		f.uncheckedSteps = true
		wantSame(f, "foreign while a doubt is open", f.applyAll().Foreign, 0)
		e := f.observe(jobs.ByCreate, seen(lease.Job.ID, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: lease.Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		first, err := f.ApplyInbox(f.ctx(), f.now, 10)
		f.must(err, "apply inbox")
		if !first.More || first.Foreign == 0 || first.Foreign >= n {
			f.t.Fatalf("one step released %d of %d, more: %t", first.Foreign, n, first.More)
		}
		wantSame(f, "released", first.Foreign+f.applyAll().Foreign, n)
		out, err := f.Outstanding(f.ctx())
		f.must(err, "outstanding")
		wantSame(f, "held", out.Held, 0)
	}},
}

// deliverForeign appends n deliveries of a foreign screenshot. Many are appended
// at the same time, so that they share commits.
func (f *fixture) deliverForeign(n int) {
	f.t.Helper()
	const workers = 200
	concurrently(f, workers, func(worker int) error {
		for i := worker; i < n; i += workers {
			if _, err := f.AppendDelivery(f.ctx(), f.delivery("flood", jobs.OutcomeDone)); err != nil {
				return err
			}
		}
		return nil
	})
}

// applyAll applies the inbox until it is empty.
func (f *fixture) applyAll() (sum jobs.Applied) {
	f.t.Helper()
	for {
		applied, err := f.ApplyInbox(f.ctx(), f.now, 1000)
		f.must(err, "apply inbox")
		sum.Read += applied.Read
		sum.Foreign += applied.Foreign
		sum.Noted += applied.Noted
		if !applied.More {
			return sum
		}
	}
}

func (f *fixture) prune(r jobs.Retention) jobs.Pruned {
	f.t.Helper()
	pruned, err := f.Prune(f.ctx(), r)
	f.must(err, "prune %+v", r)
	f.check()
	return pruned
}

// allDeliveries reads all deliveries, in pages.
func (f *fixture) allDeliveries() (all []jobs.KeptDelivery) {
	f.t.Helper()
	for after := int64(0); ; after = all[len(all)-1].Seq {
		page, _, err := f.Deliveries(f.ctx(), after, 1000)
		f.must(err, "deliveries")
		if all = append(all, page...); len(page) == 0 {
			return all
		}
	}
}
