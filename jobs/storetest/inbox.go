package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var inboxTests = []test{
	{"a delivery is kept unchanged", func(f *fixture) {
		want := jobs.Delivery{
			ReceivedAt: f.now, Event: "screenshot.failed", ScreenshotID: "sc_1", Outcome: jobs.OutcomeFailed,
			ImageURL: imageURL, Error: "ä", Body: []byte("\x00\xff{\"a\":1}\n"),
		}
		seq, err := f.AppendDelivery(f.ctx(), want)
		f.must(err, "append delivery")
		want.Seq = seq
		kept := f.inbox()
		wantSame(f, "deliveries", len(kept), 1)
		if diff := cmp.Diff(want, kept[0].Delivery, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			f.t.Fatalf("the delivery changed on its way (-given +kept):\n%s", diff)
		}
	}},
	{"places increase and the cursor follows", func(f *fixture) {
		f.open("b1", pages(5)...)
		var seqs []int64
		for _, id := range f.pending("b1", 5) {
			seq := f.deliver(shot(id), jobs.OutcomeDone)
			if len(seqs) > 0 && seq <= seqs[len(seqs)-1] {
				f.t.Fatalf("place %d after %v", seq, seqs)
			}
			seqs = append(seqs, seq)
		}
		for step, read := range []int{2, 2, 1, 0} {
			applied, err := f.ApplyInbox(f.ctx(), f.now, 2)
			f.must(err, "apply inbox")
			f.check()
			wantSame(f, "read", applied.Read, read)
			wantSame(f, "closed", len(applied.Closed), read)
			if left := 5 - min(5, 2*(step+1)); applied.More != (left > 0) {
				f.t.Fatalf("step %d: more is %v with %d deliveries left", step, applied.More, left)
			}
			for i, c := range applied.Closed {
				wantSame(f, "closed in order", c.Job, row("b1", int64(2*step+i+1)))
			}
			_, cursor, err := f.Deliveries(f.ctx(), 0, 100)
			f.must(err, "deliveries")
			for i, seq := range seqs {
				if want := i < 2*step+read; (seq <= cursor) != want {
					f.t.Fatalf("step %d: cursor %d, delivery %d at %d, want applied %v", step, cursor, i, seq, want)
				}
			}
		}
		page, _, err := f.Deliveries(f.ctx(), seqs[1], 2)
		f.must(err, "deliveries")
		if len(page) != 2 || page[0].Seq != seqs[2] || page[1].Seq != seqs[3] {
			f.t.Fatalf("page after %d: %+v", seqs[1], page)
		}
	}},
	{"a webhook closes a pending job", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		f.later(time.Minute)
		f.deliver(shot(ids[0]), jobs.OutcomeDone)
		f.deliver(shot(ids[1]), jobs.OutcomeFailed)
		f.wantState(ids[0], jobs.Pending)
		f.wantClosed(f.apply().Effects,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
		j := f.wantState(ids[0], jobs.Done)
		wantSame(f, "image", j.ImageURL, imageURL)
		wantSame(f, "closed by", j.ClosedBy, jobs.ByWebhook)
		wantSame(f, "late", j.Late, false)
		f.wantTime("closed", j.ClosedAt, f.now)
		wantSame(f, "error", f.wantState(ids[1], jobs.Failed).Error, vendorError)
	}},
	{"twenty repeated webhooks close a job once", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		var closed, conflicts int
		for i := range 20 {
			f.deliver(shot(id), jobs.OutcomeDone)
			if i%3 != 0 {
				continue
			}
			f.later(time.Second)
			applied := f.apply()
			closed += len(applied.Closed)
			conflicts += applied.Conflicts
		}
		applied := f.apply()
		wantSame(f, "closed", closed+len(applied.Closed), 1)
		wantSame(f, "conflicts", conflicts+applied.Conflicts, 0)
		wantSame(f, "events", len(f.allEvents()), 2)
		wantSame(f, "revision", f.batch("b1").Revision, 1)
		for _, d := range f.inbox() {
			wantSame(f, "disposition of a repeat", d.Disposition, jobs.DispositionApplied)
		}
	}},
	{"the first of two contradictory webhooks counts", func(f *fixture) {
		for batch, steps := range map[string]int{"onestep": 1, "twosteps": 2} {
			f.open(batch, pages(2)...)
			id := f.pending(batch, 1)[0]
			f.deliver(shot(id), jobs.OutcomeFailed)
			var conflicts int
			if steps == 2 {
				conflicts += f.apply().Conflicts
			}
			f.deliver(shot(id), jobs.OutcomeDone)
			conflicts += f.apply().Conflicts
			wantSame(f, batch+": conflicts", conflicts, 1)
			wantSame(f, batch+": conflicts on the job", f.wantState(id, jobs.Failed).Conflicts, 1)
		}
	}},
	{"a delivery of an unknown screenshot is foreign", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.pending("b1", 1)
		f.later(time.Second)
		f.deliver("stranger", jobs.OutcomeDone)
		applied := f.apply()
		wantSame(f, "foreign", applied.Foreign, 1)
		wantSame(f, "held", applied.Held, 0)
		f.wantClosed(applied.Effects)
		f.wantDisposition("stranger", jobs.DispositionForeign)
		wantSame(f, "found foreign again", f.apply().Foreign, 0)
	}},
	{"a delivery is held only for a submission older than it", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.deliver("before", jobs.OutcomeDone)
		f.later(time.Second)
		f.leaseAndIntend("b1", 1)
		f.later(time.Second)
		f.deliver("after", jobs.OutcomeDone)
		applied := f.apply()
		wantSame(f, "held", applied.Held, 1)
		wantSame(f, "foreign", applied.Foreign, 1)
		f.wantDisposition("before", jobs.DispositionForeign)
		f.wantDisposition("after", jobs.DispositionHeld)
		wantSame(f, "held again", f.apply().Held, 0)
	}},
	{"a doubt holds deliveries like an open intent", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Minute)
		f.deliver(shot(id), jobs.OutcomeFailed)
		wantSame(f, "held", f.apply().Held, 1)
		f.later(time.Minute)
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook})
		wantSame(f, "error", f.wantState(id, jobs.Failed).Error, vendorError)
	}},
	{"a lease without an intent holds no deliveries", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.lease("b1", 1)
		f.later(time.Second)
		f.deliver("stranger", jobs.OutcomeDone)
		wantSame(f, "foreign", f.apply().Foreign, 1)
	}},
	{"a held delivery becomes foreign when no submission can own it", func(f *fixture) {
		for batch, settle := range map[string]func(l jobs.Lease){
			"answered": func(l jobs.Lease) { f.observe(jobs.ByCreate, seen(l.Job.ID, jobs.OutcomeProcessing)) },
			"refused":  func(l jobs.Lease) { f.closeJobs(refuse(l.Job.ID)) },
			"withdrawn": func(l jobs.Lease) {
				f.requeue(l)
			},
		} {
			f.open(batch, pages(2)...)
			older := f.leaseAndIntend(batch, 1)[0]
			f.later(time.Second)
			f.deliver("x"+batch, jobs.OutcomeDone)
			wantSame(f, batch+": held", f.apply().Held, 1)
			f.later(time.Second)
			younger := f.leaseAndIntend(batch, 1)[0]
			f.wantDisposition("x"+batch, jobs.DispositionHeld)
			settle(older)
			f.later(time.Second)
			f.apply()
			f.wantDisposition("x"+batch, jobs.DispositionForeign)
			f.observe(jobs.ByCreate, seen(younger.Job.ID, jobs.OutcomeProcessing))
		}
	}},
	{"a delivery stays held while another submission can own it", func(f *fixture) {
		f.open("b1", pages(3)...)
		leases := f.leaseAndIntend("b1", 2)
		f.later(time.Second)
		f.deliver(shot(leases[1].Job.ID), jobs.OutcomeDone)
		f.apply()
		f.observe(jobs.ByCreate, seen(leases[0].Job.ID, jobs.OutcomeProcessing))
		f.apply()
		f.wantDisposition(shot(leases[1].Job.ID), jobs.DispositionHeld)
		e := f.observe(jobs.ByCreate, seen(leases[1].Job.ID, jobs.OutcomeProcessing))
		f.wantClosed(e, jobs.Closed{Job: leases[1].Job.ID, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"an event that closes nothing is noted", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		for _, d := range []jobs.Delivery{
			{ReceivedAt: f.now, Event: "batch.finished", Body: []byte("{}")},
			{ReceivedAt: f.now, Event: "app.upload.finished", ScreenshotID: shot(id), Body: []byte("{}")},
		} {
			_, err := f.AppendDelivery(f.ctx(), d)
			f.must(err, "append delivery")
		}
		applied := f.apply()
		wantSame(f, "read", applied.Read, 2)
		wantSame(f, "foreign", applied.Foreign, 0)
		wantSame(f, "held", applied.Held, 0)
		f.wantClosed(applied.Effects)
		f.wantState(id, jobs.Pending)
		for _, d := range f.inbox() {
			wantSame(f, d.Event, d.Disposition, jobs.DispositionNoted)
		}
	}},
	{"deliveries that changed no job are listed newest first", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		var foreign []int64
		for _, screenshot := range []string{"x1", "x2", "x3"} {
			foreign = append(foreign, f.deliver(screenshot, jobs.OutcomeFailed))
		}
		f.deliver(shot(id), jobs.OutcomeDone)
		noted, err := f.AppendDelivery(f.ctx(), jobs.Delivery{ReceivedAt: f.now, Event: "batch.finished", Body: []byte("{}")})
		f.must(err, "append delivery")
		f.apply()
		f.leaseAndIntend("b1", 1)
		held := f.deliver("x4", jobs.OutcomeDone)
		f.apply()
		f.deliver("x5", jobs.OutcomeDone) // not applied yet
		for _, of := range []struct {
			filter jobs.DeliveryFilter
			want   []int64
		}{
			{jobs.DeliveryFilter{}, []int64{held, noted, foreign[2], foreign[1], foreign[0]}},
			{jobs.DeliveryFilter{Limit: 3}, []int64{held, noted, foreign[2]}},
			{jobs.DeliveryFilter{Before: foreign[2]}, []int64{foreign[1], foreign[0]}},
			{jobs.DeliveryFilter{Dispositions: []jobs.Disposition{jobs.DispositionForeign, jobs.DispositionHeld, jobs.DispositionForeign}, Limit: 2}, []int64{held, foreign[2]}},
			{jobs.DeliveryFilter{Dispositions: []jobs.Disposition{jobs.DispositionAside}}, nil},
		} {
			page, err := f.Unapplied(f.ctx(), of.filter)
			f.must(err, "list deliveries")
			var got []int64
			for _, d := range page {
				got = append(got, d.Seq)
				wantSame(f, "bytes of the body", len(d.Body), 0)
			}
			if !slices.Equal(got, of.want) {
				f.t.Fatalf("%+v: got places %v, want %v", of.filter, got, of.want)
			}
		}
		page, err := f.Unapplied(f.ctx(), jobs.DeliveryFilter{Before: foreign[1]})
		f.must(err, "list deliveries")
		if d := page[0]; d.ScreenshotID != "x1" || d.Disposition != jobs.DispositionForeign || d.Error != vendorError || !d.ReceivedAt.Equal(f.now) {
			f.t.Fatalf("the delivery is %+v", d)
		}
		_, err = f.Unapplied(f.ctx(), jobs.DeliveryFilter{Dispositions: []jobs.Disposition{jobs.DispositionApplied}})
		f.wantErr(err, jobs.ErrInvalid, "list applied deliveries")
	}},
	{"applying an empty inbox does nothing", func(f *fixture) {
		if applied := f.apply(); applied.Read != 0 || applied.More {
			f.t.Fatalf("applied %+v", applied)
		}
		wantSame(f, "deliveries", len(f.inbox()), 0)
	}},
	{"concurrent deliveries get different places", func(f *fixture) {
		const n = 200
		seqs := make([]int64, n)
		concurrently(f, n, func(i int) (err error) {
			seqs[i], err = f.AppendDelivery(f.ctx(), f.delivery(fmt.Sprint(i), jobs.OutcomeDone))
			return err
		})
		of := map[int64]string{}
		for i, seq := range seqs {
			of[seq] = fmt.Sprint(i)
		}
		wantSame(f, "places", len(of), n)
		for _, d := range f.inbox() {
			wantSame(f, "delivery at its place", d.ScreenshotID, of[d.Seq])
		}
	}},
}

// inbox reads all deliveries.
func (f *fixture) inbox() []jobs.KeptDelivery {
	f.t.Helper()
	kept, _, err := f.Deliveries(f.ctx(), 0, 1000)
	f.must(err, "deliveries")
	return kept
}

// wantDisposition asserts the disposition of the deliveries of a screenshot.
func (f *fixture) wantDisposition(screenshot string, want jobs.Disposition) {
	f.t.Helper()
	found := false
	for _, d := range f.inbox() {
		if d.ScreenshotID == screenshot {
			found = true
			wantSame(f, "disposition of "+screenshot, d.Disposition, want)
		}
	}
	if !found {
		f.t.Fatalf("no delivery of %s in the inbox", screenshot)
	}
}
