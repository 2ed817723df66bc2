package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var inboxTests = []test{
	{"a delivery is kept as it came", func(b *book) {
		want := jobs.Delivery{
			ReceivedAt: b.now, Event: "screenshot.failed", ScreenshotID: "sc_1", Outcome: jobs.OutcomeFailed,
			ImageURL: imageURL, Error: "ä", Body: []byte("\x00\xff{\"a\":1}\n"),
		}
		seq, err := b.AppendDelivery(b.ctx(), want)
		b.must(err, "append delivery")
		want.Seq = seq
		kept := b.inbox()
		wantSame(b, "deliveries", len(kept), 1)
		if diff := cmp.Diff(want, kept[0].Delivery, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			b.t.Fatalf("the delivery changed on its way (-given +kept):\n%s", diff)
		}
	}},
	{"places grow and the cursor follows", func(b *book) {
		b.open("b1", pages(5)...)
		var seqs []int64
		for _, id := range b.pending("b1", 5) {
			seq := b.deliver(shot(id), jobs.OutcomeDone)
			if len(seqs) > 0 && seq <= seqs[len(seqs)-1] {
				b.t.Fatalf("place %d after %v", seq, seqs)
			}
			seqs = append(seqs, seq)
		}
		for step, read := range []int{2, 2, 1, 0} {
			applied, err := b.ApplyInbox(b.ctx(), b.now, 2)
			b.must(err, "apply inbox")
			b.check()
			wantSame(b, "read", applied.Read, read)
			wantSame(b, "closed", len(applied.Closed), read)
			if left := 5 - min(5, 2*(step+1)); applied.More != (left > 0) {
				b.t.Fatalf("step %d: more is %v with %d deliveries left", step, applied.More, left)
			}
			for i, c := range applied.Closed {
				wantSame(b, "closed in order", c.Job, row("b1", int64(2*step+i+1)))
			}
			_, cursor, err := b.Deliveries(b.ctx(), 0, 100)
			b.must(err, "deliveries")
			for i, seq := range seqs {
				if want := i < 2*step+read; (seq <= cursor) != want {
					b.t.Fatalf("step %d: cursor %d, delivery %d at %d, want applied %v", step, cursor, i, seq, want)
				}
			}
		}
		page, _, err := b.Deliveries(b.ctx(), seqs[1], 2)
		b.must(err, "deliveries")
		if len(page) != 2 || page[0].Seq != seqs[2] || page[1].Seq != seqs[3] {
			b.t.Fatalf("page after %d: %+v", seqs[1], page)
		}
	}},
	{"a webhook closes a pending job", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		b.later(time.Minute)
		b.deliver(shot(ids[0]), jobs.OutcomeDone)
		b.deliver(shot(ids[1]), jobs.OutcomeFailed)
		b.wantState(ids[0], jobs.Pending)
		b.wantClosed(b.apply().Effects,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
		j := b.wantState(ids[0], jobs.Done)
		wantSame(b, "image", j.ImageURL, imageURL)
		wantSame(b, "closed by", j.ClosedBy, jobs.ByWebhook)
		wantSame(b, "late", j.Late, false)
		b.wantTime("closed", j.ClosedAt, b.now)
		wantSame(b, "error", b.wantState(ids[1], jobs.Failed).Error, vendorError)
	}},
	{"twenty repeats close once", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		var closed, conflicts int
		for i := range 20 {
			b.deliver(shot(id), jobs.OutcomeDone)
			if i%3 != 0 {
				continue
			}
			b.later(time.Second)
			applied := b.apply()
			closed += len(applied.Closed)
			conflicts += applied.Conflicts
		}
		applied := b.apply()
		wantSame(b, "closed", closed+len(applied.Closed), 1)
		wantSame(b, "conflicts", conflicts+applied.Conflicts, 0)
		wantSame(b, "events", len(b.allEvents()), 2)
		wantSame(b, "revision", b.batch("b1").Revision, 1)
		for _, d := range b.inbox() {
			wantSame(b, "disposition of a repeat", d.Disposition, jobs.DispositionApplied)
		}
	}},
	{"the first of two contradicting webhooks stands", func(b *book) {
		for batch, steps := range map[string]int{"onestep": 1, "twosteps": 2} {
			b.open(batch, pages(2)...)
			id := b.pending(batch, 1)[0]
			b.deliver(shot(id), jobs.OutcomeFailed)
			var conflicts int
			if steps == 2 {
				conflicts += b.apply().Conflicts
			}
			b.deliver(shot(id), jobs.OutcomeDone)
			conflicts += b.apply().Conflicts
			wantSame(b, batch+": conflicts", conflicts, 1)
			wantSame(b, batch+": conflicts on the job", b.wantState(id, jobs.Failed).Conflicts, 1)
		}
	}},
	{"a stranger's delivery is foreign", func(b *book) {
		b.open("b1", pages(2)...)
		b.pending("b1", 1)
		b.later(time.Second)
		b.deliver("stranger", jobs.OutcomeDone)
		applied := b.apply()
		wantSame(b, "foreign", applied.Foreign, 1)
		wantSame(b, "held", applied.Held, 0)
		b.wantClosed(applied.Effects)
		b.wantDisposition("stranger", jobs.DispositionForeign)
		wantSame(b, "found foreign again", b.apply().Foreign, 0)
	}},
	{"a delivery is held only for a submission older than it", func(b *book) {
		b.open("b1", pages(2)...)
		b.deliver("before", jobs.OutcomeDone)
		b.later(time.Second)
		b.sent("b1", 1)
		b.later(time.Second)
		b.deliver("after", jobs.OutcomeDone)
		applied := b.apply()
		wantSame(b, "held", applied.Held, 1)
		wantSame(b, "foreign", applied.Foreign, 1)
		b.wantDisposition("before", jobs.DispositionForeign)
		b.wantDisposition("after", jobs.DispositionHeld)
		wantSame(b, "held again", b.apply().Held, 0)
	}},
	{"a doubt holds as an open intent does", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Minute)
		b.deliver(shot(id), jobs.OutcomeFailed)
		wantSame(b, "held", b.apply().Held, 1)
		b.later(time.Minute)
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
		wantSame(b, "error", b.wantState(id, jobs.Failed).Error, vendorError)
	}},
	{"a lease without an intent holds nothing", func(b *book) {
		b.open("b1", pages(1)...)
		b.lease("b1", 1)
		b.later(time.Second)
		b.deliver("stranger", jobs.OutcomeDone)
		wantSame(b, "foreign", b.apply().Foreign, 1)
	}},
	{"held becomes foreign when nobody can own it", func(b *book) {
		for batch, settle := range map[string]func(l jobs.Lease){
			"answered": func(l jobs.Lease) { b.observe(jobs.ByCreate, seen(l.Job.ID, jobs.OutcomeProcessing)) },
			"refused":  func(l jobs.Lease) { b.shut(refuse(l.Job.ID)) },
			"withdrawn": func(l jobs.Lease) {
				b.requeue(l)
			},
		} {
			b.open(batch, pages(2)...)
			older := b.sent(batch, 1)[0]
			b.later(time.Second)
			b.deliver("x"+batch, jobs.OutcomeDone)
			wantSame(b, batch+": held", b.apply().Held, 1)
			b.later(time.Second)
			younger := b.sent(batch, 1)[0]
			b.wantDisposition("x"+batch, jobs.DispositionHeld)
			settle(older)
			b.later(time.Second)
			b.apply()
			b.wantDisposition("x"+batch, jobs.DispositionForeign)
			b.observe(jobs.ByCreate, seen(younger.Job.ID, jobs.OutcomeProcessing))
		}
	}},
	{"held stays held while another submission can own it", func(b *book) {
		b.open("b1", pages(3)...)
		leases := b.sent("b1", 2)
		b.later(time.Second)
		b.deliver(shot(leases[1].Job.ID), jobs.OutcomeDone)
		b.apply()
		b.observe(jobs.ByCreate, seen(leases[0].Job.ID, jobs.OutcomeProcessing))
		b.apply()
		b.wantDisposition(shot(leases[1].Job.ID), jobs.DispositionHeld)
		e := b.observe(jobs.ByCreate, seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		b.wantClosed(e, jobs.Closed{Job: leases[1].Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"an event that closes nothing is noted", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		for _, d := range []jobs.Delivery{
			{ReceivedAt: b.now, Event: "batch.finished", Body: []byte("{}")},
			{ReceivedAt: b.now, Event: "app.upload.finished", ScreenshotID: shot(id), Body: []byte("{}")},
		} {
			_, err := b.AppendDelivery(b.ctx(), d)
			b.must(err, "append delivery")
		}
		applied := b.apply()
		wantSame(b, "read", applied.Read, 2)
		wantSame(b, "foreign", applied.Foreign, 0)
		wantSame(b, "held", applied.Held, 0)
		b.wantClosed(applied.Effects)
		b.wantState(id, jobs.Pending)
		for _, d := range b.inbox() {
			wantSame(b, d.Event, d.Disposition, jobs.DispositionNoted)
		}
	}},
	{"an empty inbox is nothing to do", func(b *book) {
		if applied := b.apply(); applied.Read != 0 || applied.More {
			b.t.Fatalf("applied %+v", applied)
		}
		wantSame(b, "deliveries", len(b.inbox()), 0)
	}},
	{"concurrent deliveries get places of their own", func(b *book) {
		const n = 200
		seqs := make([]int64, n)
		crowd(b, n, func(i int) (err error) {
			seqs[i], err = b.AppendDelivery(b.ctx(), b.told(fmt.Sprint(i), jobs.OutcomeDone))
			return err
		})
		of := map[int64]string{}
		for i, seq := range seqs {
			of[seq] = fmt.Sprint(i)
		}
		wantSame(b, "places", len(of), n)
		for _, d := range b.inbox() {
			wantSame(b, "delivery at its place", d.ScreenshotID, of[d.Seq])
		}
	}},
}

// inbox reads all deliveries.
func (b *book) inbox() []jobs.KeptDelivery {
	b.t.Helper()
	kept, _, err := b.Deliveries(b.ctx(), 0, 1000)
	b.must(err, "deliveries")
	return kept
}

// wantDisposition asserts what became of the deliveries of a screenshot.
func (b *book) wantDisposition(screenshot string, want jobs.Disposition) {
	b.t.Helper()
	found := false
	for _, d := range b.inbox() {
		if d.ScreenshotID == screenshot {
			found = true
			wantSame(b, "disposition of "+screenshot, d.Disposition, want)
		}
	}
	if !found {
		b.t.Fatalf("no delivery of %s in the inbox", screenshot)
	}
}
