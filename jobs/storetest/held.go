package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

var heldTests = []test{
	{"held deliveries are limited, deliveries of known screenshots are not", func(f *fixture) {
		f.uncheckedSteps = true
		f.open("b1", pages(3)...)
		known := f.pending("b1", 1)[0]
		ours := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Second)
		f.deliver(shot(ours), jobs.OutcomeDone)
		f.deliverForeign(MaxHeld - 1)
		f.applyAll()
		wantSame(f, "held", f.held(), MaxHeld)

		_, err := f.AppendDelivery(f.ctx(), f.delivery("one too many", jobs.OutcomeDone))
		f.wantErr(err, jobs.ErrUnavailable, "append beyond the limit")
		_, err = f.openStore().AppendDelivery(f.ctx(), f.delivery(shot(row("b1", 3)), jobs.OutcomeFailed))
		f.wantErr(err, jobs.ErrUnavailable, "append beyond the limit by another process")
		wantSame(f, "deliveries", f.newest(), MaxHeld)
		f.wantClosed(f.webhook(known, jobs.OutcomeDone), jobs.Closed{Job: known, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		noted := jobs.Delivery{ReceivedAt: f.now, Event: "batch.finished", Body: []byte("{}")}
		_, err = f.AppendDelivery(f.ctx(), noted)
		f.must(err, "append an event without a result")
		noted.Event, noted.ScreenshotID = "app.upload.finished", "unknown"
		_, err = f.AppendDelivery(f.ctx(), noted)
		f.must(err, "append an event of an unknown screenshot without a result")

		e := f.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: ours, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		f.deliver("one more", jobs.OutcomeDone)
		f.applyAll()
		wantSame(f, "held when no submission can own it", f.held(), 0)
		f.audit()
	}},
	{"disowned deliveries make room for others", func(f *fixture) {
		f.uncheckedSteps = true
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.deliverForeign(MaxHeld)
		f.applyAll()
		_, err := f.AppendDelivery(f.ctx(), f.delivery("one too many", jobs.OutcomeDone))
		f.wantErr(err, jobs.ErrUnavailable, "append beyond the limit")
		wantSame(f, "disowned", f.disown("flood"), MaxHeld)
		wantSame(f, "held", f.held(), 0)
		f.deliver("one more", jobs.OutcomeDone)
		f.applyAll()
		wantSame(f, "held", f.held(), 1)
	}},
	{"a create that is settled makes room", func(f *fixture) {
		f.uncheckedSteps = true
		f.open("b1", pages(1)...)
		ours := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.deliverForeign(MaxHeld)
		f.applyAll()
		_, err := f.AppendDelivery(f.ctx(), f.delivery("one too many", jobs.OutcomeDone))
		f.wantErr(err, jobs.ErrUnavailable, "append beyond the limit")
		f.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		f.applyAll()
		wantSame(f, "held", f.held(), 0)
		f.deliver("one more", jobs.OutcomeDone)
	}},
	{"deliveries appended before the limit are held beyond it", func(f *fixture) {
		f.uncheckedSteps = true
		f.open("b1", pages(1)...)
		ours := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.deliverForeign(MaxHeld)
		f.deliver(shot(ours), jobs.OutcomeFailed)
		f.applyAll()
		wantSame(f, "held", f.held(), MaxHeld+1)
		f.disown("flood")
		e := f.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: ours, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
	}},
	{"a disowned delivery is foreign, and has one event", func(f *fixture) {
		f.open("b1", pages(2)...)
		leases := f.leaseAndDoubt("b1", 2)
		f.later(time.Second)
		first := f.deliver("stranger", jobs.OutcomeDone)
		f.deliver(shot(leases[0].Job.ID), jobs.OutcomeDone)
		second := f.deliver("stranger", jobs.OutcomeDone)
		f.deliver("another", jobs.OutcomeDone)
		f.apply()
		f.observe(jobs.ByPoll, seen(leases[0].Job.ID, jobs.OutcomeProcessing))
		f.later(time.Second)
		// One of the look-ups was for a screenshot that has been adopted in the
		// meantime.
		wantSame(f, "disowned", f.disown("stranger", shot(leases[0].Job.ID), "nobody's"), 2)
		wantSame(f, "disowned again", f.disown("stranger"), 0)
		f.wantForeign(first, second)
		f.wantDisposition("stranger", jobs.DispositionForeign)
		f.wantDisposition("another", jobs.DispositionHeld)
		f.wantDisposition(shot(leases[0].Job.ID), jobs.DispositionApplied)
		f.wantState(leases[0].Job.ID, jobs.Done)
		for _, e := range f.allEvents() {
			if e.Type == jobs.EventForeign {
				f.wantTime("event", e.At, f.now)
			}
		}
	}},
	{"held deliveries are listed oldest first, each once", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.deliver("foreign", jobs.OutcomeDone)
		f.leaseAndDoubt("b1", 1)
		for i, screenshot := range []string{"c", "a", "c", "b", "a"} {
			f.deliver(screenshot, jobs.OutcomeDone)
			f.apply()
			if i == 3 {
				f.later(time.Second)
			}
		}
		young := f.now
		f.deliver("young", jobs.OutcomeDone)
		f.apply()
		for limit, want := range map[int][]string{10: {"c", "a", "b"}, 2: {"c", "a"}, 0: nil} {
			got, all, err := f.Held(f.ctx(), young, limit)
			f.must(err, "held")
			wantSame(f, "all", all, 6)
			if !slices.Equal(got, want) {
				f.t.Fatalf("the %d oldest are %q, want %q", limit, got, want)
			}
		}
	}},
	{"a full store keeps all concurrent deliveries that it accepts", func(f *fixture) {
		f.uncheckedSteps = true
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.deliverForeign(MaxHeld - 50)
		f.applyAll()
		const n = 400
		kept := make([]bool, n)
		stores := f.twoStores()
		concurrently(f, n, func(i int) error {
			_, err := stores[i%2].AppendDelivery(f.ctx(), f.delivery(fmt.Sprint(i), jobs.OutcomeDone))
			if kept[i] = err == nil; kept[i] && i%10 == 0 {
				_, err = stores[i%2].ApplyInbox(f.ctx(), f.now, 1000)
			}
			if errors.Is(err, jobs.ErrUnavailable) {
				err = nil
			}
			return err
		})
		f.applyAll()
		there := map[string]bool{}
		page, _, err := f.Deliveries(f.ctx(), MaxHeld-50, 1000)
		f.must(err, "deliveries")
		for _, d := range page {
			there[d.ScreenshotID] = true
			wantSame(f, "disposition", d.Disposition, jobs.DispositionHeld)
		}
		for i, kept := range kept {
			wantSame(f, fmt.Sprintf("delivery %d is in the inbox", i), there[fmt.Sprint(i)], kept)
		}
	}},
}

func (f *fixture) held() int {
	f.t.Helper()
	_, all, err := f.Held(f.ctx(), f.now, 0)
	f.must(err, "held")
	return all
}

func (f *fixture) newest() int64 {
	f.t.Helper()
	totals, err := f.Totals(f.ctx())
	f.must(err, "totals")
	return totals.Inbox
}

func (f *fixture) disown(screenshots ...string) int {
	f.t.Helper()
	n, err := f.Disown(f.ctx(), screenshots, f.now)
	f.must(err, "disown")
	f.check()
	return n
}
