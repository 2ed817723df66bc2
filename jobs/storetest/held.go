package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

var heldTests = []test{
	{"what is held is bounded, and what is ours is taken", func(b *book) {
		b.quiet = true
		b.open("b1", pages(3)...)
		known := b.pending("b1", 1)[0]
		ours := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Second)
		b.deliver(shot(ours), jobs.OutcomeDone)
		b.flood(MaxHeld - 1)
		b.applyAll()
		wantSame(b, "held", b.held(), MaxHeld)

		_, err := b.AppendDelivery(b.ctx(), b.told("one too many", jobs.OutcomeDone))
		b.wantErr(err, jobs.ErrUnavailable, "append beyond the bound")
		_, err = b.second().AppendDelivery(b.ctx(), b.told(shot(row("b1", 3)), jobs.OutcomeFailed))
		b.wantErr(err, jobs.ErrUnavailable, "append beyond the bound by another process")
		wantSame(b, "deliveries", b.newest(), MaxHeld)
		b.wantClosed(b.webhook(known, jobs.OutcomeDone), jobs.Closed{Job: known, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		noted := jobs.Delivery{ReceivedAt: b.now, Event: "batch.finished", Body: []byte("{}")}
		_, err = b.AppendDelivery(b.ctx(), noted)
		b.must(err, "append an event that closes nothing")
		noted.Event, noted.ScreenshotID = "app.upload.finished", "unknown"
		_, err = b.AppendDelivery(b.ctx(), noted)
		b.must(err, "append an event of an unknown screenshot that closes nothing")

		e := b.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: ours, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		b.deliver("one more", jobs.OutcomeDone)
		b.applyAll()
		wantSame(b, "held when nobody can own it", b.held(), 0)
		b.audit()
	}},
	{"disowning makes room", func(b *book) {
		b.quiet = true
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.flood(MaxHeld)
		b.applyAll()
		_, err := b.AppendDelivery(b.ctx(), b.told("one too many", jobs.OutcomeDone))
		b.wantErr(err, jobs.ErrUnavailable, "append beyond the bound")
		wantSame(b, "disowned", b.disown("flood"), MaxHeld)
		wantSame(b, "held", b.held(), 0)
		b.deliver("one more", jobs.OutcomeDone)
		b.applyAll()
		wantSame(b, "held", b.held(), 1)
	}},
	{"a create that is settled makes room", func(b *book) {
		b.quiet = true
		b.open("b1", pages(1)...)
		ours := b.doubted("b1", 1)[0].Job.ID
		b.flood(MaxHeld)
		b.applyAll()
		_, err := b.AppendDelivery(b.ctx(), b.told("one too many", jobs.OutcomeDone))
		b.wantErr(err, jobs.ErrUnavailable, "append beyond the bound")
		b.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		b.applyAll()
		wantSame(b, "held", b.held(), 0)
		b.deliver("one more", jobs.OutcomeDone)
	}},
	{"what was appended before the bound is held beyond it", func(b *book) {
		b.quiet = true
		b.open("b1", pages(1)...)
		ours := b.doubted("b1", 1)[0].Job.ID
		b.flood(MaxHeld)
		b.deliver(shot(ours), jobs.OutcomeFailed)
		b.applyAll()
		wantSame(b, "held", b.held(), MaxHeld+1)
		b.disown("flood")
		e := b.observe(jobs.ByPoll, seen(ours, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: ours, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
	}},
	{"a disowned delivery is foreign, and told once", func(b *book) {
		b.open("b1", pages(2)...)
		leases := b.doubted("b1", 2)
		b.later(time.Second)
		first := b.deliver("stranger", jobs.OutcomeDone)
		b.deliver(shot(leases[0].Job.ID), jobs.OutcomeDone)
		second := b.deliver("stranger", jobs.OutcomeDone)
		b.deliver("another", jobs.OutcomeDone)
		b.apply()
		b.observe(jobs.ByPoll, seen(leases[0].Job.ID, jobs.OutcomeProcessing))
		b.later(time.Second)
		// The vendor was asked about one that was adopted meanwhile, too.
		wantSame(b, "disowned", b.disown("stranger", shot(leases[0].Job.ID), "nobody's"), 2)
		wantSame(b, "disowned again", b.disown("stranger"), 0)
		b.wantForeign(first, second)
		b.wantDisposition("stranger", jobs.DispositionForeign)
		b.wantDisposition("another", jobs.DispositionHeld)
		b.wantDisposition(shot(leases[0].Job.ID), jobs.DispositionApplied)
		b.wantState(leases[0].Job.ID, jobs.Done)
		for _, e := range b.allEvents() {
			if e.Type == jobs.EventForeign {
				b.wantTime("told", e.At, b.now)
			}
		}
	}},
	{"the oldest are listed first, each once", func(b *book) {
		b.open("b1", pages(1)...)
		b.deliver("foreign", jobs.OutcomeDone)
		b.doubted("b1", 1)
		for i, screenshot := range []string{"c", "a", "c", "b", "a"} {
			b.deliver(screenshot, jobs.OutcomeDone)
			b.apply()
			if i == 3 {
				b.later(time.Second)
			}
		}
		young := b.now
		b.deliver("young", jobs.OutcomeDone)
		b.apply()
		for limit, want := range map[int][]string{10: {"c", "a", "b"}, 2: {"c", "a"}, 0: nil} {
			got, all, err := b.Held(b.ctx(), young, limit)
			b.must(err, "held")
			wantSame(b, "all", all, 6)
			if !slices.Equal(got, want) {
				b.t.Fatalf("the %d oldest are %q, want %q", limit, got, want)
			}
		}
	}},
	{"a full store loses nothing of a crowd", func(b *book) {
		b.quiet = true
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.flood(MaxHeld - 50)
		b.applyAll()
		const n = 400
		kept := make([]bool, n)
		stores := b.openers()
		crowd(b, n, func(i int) error {
			_, err := stores[i%2].AppendDelivery(b.ctx(), b.told(fmt.Sprint(i), jobs.OutcomeDone))
			if kept[i] = err == nil; kept[i] && i%10 == 0 {
				_, err = stores[i%2].ApplyInbox(b.ctx(), b.now, 1000)
			}
			if errors.Is(err, jobs.ErrUnavailable) {
				err = nil
			}
			return err
		})
		b.applyAll()
		there := map[string]bool{}
		page, _, err := b.Deliveries(b.ctx(), MaxHeld-50, 1000)
		b.must(err, "deliveries")
		for _, d := range page {
			there[d.ScreenshotID] = true
			wantSame(b, "disposition", d.Disposition, jobs.DispositionHeld)
		}
		for i, kept := range kept {
			wantSame(b, fmt.Sprintf("delivery %d there", i), there[fmt.Sprint(i)], kept)
		}
	}},
}

func (b *book) held() int {
	b.t.Helper()
	_, all, err := b.Held(b.ctx(), b.now, 0)
	b.must(err, "held")
	return all
}

func (b *book) newest() int64 {
	b.t.Helper()
	totals, err := b.Totals(b.ctx())
	b.must(err, "totals")
	return totals.Inbox
}

func (b *book) disown(screenshots ...string) int {
	b.t.Helper()
	n, err := b.Disown(b.ctx(), screenshots, b.now)
	b.must(err, "disown")
	b.check()
	return n
}
