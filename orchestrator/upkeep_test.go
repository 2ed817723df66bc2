package orchestrator

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// changeDatabase runs a statement on the file, as a person with the sqlite3
// program might.
func (r *rig) changeDatabase(statement string) {
	r.t.Helper()
	db, err := sql.Open("sqlite3", r.path+"?_busy_timeout=5000")
	r.must(err)
	defer db.Close()
	_, err = db.Exec(statement)
	r.must(err)
}

func TestWrongCountersAreRepaired(t *testing.T) {
	t.Parallel()
	for name, repair := range map[string]func(*rig){
		"by reconcile": func(r *rig) {
			if report := r.reconcile(); len(report.Repaired) != 1 || report.Repaired[0].Batch != rigBatch {
				r.t.Errorf("got report %+v", report)
			}
		},
		"in serve": func(r *rig) {
			r.must(r.RecountOnce(r.ctx()))
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
		},
		"before the summary": func(r *rig) {
			r.changeDatabase(`UPDATE batches SET pending = 0, state = 'finished', revision = 1, finished_at = 1`)
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(3)
			r.submitAll()
			r.changeDatabase(`UPDATE batches SET pending = pending + 1, done = 40`)
			if name == "before the summary" {
				repair(r)
				r.expect(map[jobs.State]int64{jobs.Pending: 3})
				if b := r.batch(); b.State != jobs.BatchOpen || b.Summarized != 0 {
					t.Errorf("got batch %s, summarized %d", b.State, b.Summarized)
				}
				return
			}
			r.webhooks(jobs.OutcomeDone)
			if got := r.batch().State; got == jobs.BatchFinished {
				t.Fatal("the batch finished although its counters are wrong")
			}
			repair(r)
			r.expect(map[jobs.State]int64{jobs.Done: 3})
			if b := r.batch(); b.State != jobs.BatchFinished || b.Summarized != 1 {
				t.Errorf("got batch %s, summarized %d", b.State, b.Summarized)
			}
		})
	}
}

// The batch finished while a job was pending. Because of wrong counters, no
// look-up considered the job.
func TestPendingJobOfAFinishedBatchEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	r.changeDatabase(`UPDATE batches SET pending = 1`)
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.vendor.end(client.StatusFinished)
	r.clock.advance(time.Minute)
	report := r.reconcile()
	r.expect(map[jobs.State]int64{jobs.Done: 2})
	if b := r.batch(); b.State != jobs.BatchFinished || b.Summarized != b.Revision {
		t.Errorf("got batch %s, summarized %d of %d", b.State, b.Summarized, b.Revision)
	}
	if report.Closed[jobs.Done] != 1 {
		t.Errorf("got report %+v", report)
	}
}

// deliverForeign delivers n webhooks of other programs and applies them.
func (r *rig) deliverForeign(n int) {
	r.t.Helper()
	deliveries := make([]jobs.Delivery, n)
	for i := range deliveries {
		deliveries[i] = jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot.completed", ScreenshotID: fmt.Sprint("x", i), Outcome: jobs.OutcomeDone, Body: []byte("{}")}
		if i%2 == 0 {
			deliveries[i] = jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "app.upload.finished", Body: []byte("{}")}
		}
	}
	r.storeAll(deliveries)
	for {
		applied, err := r.CloseOnce(r.ctx())
		r.must(err)
		if !applied.More {
			return
		}
	}
}

func (r *rig) inbox() int {
	r.t.Helper()
	n := 0
	for after := int64(0); ; {
		page, _, err := r.full.Deliveries(r.ctx(), after, 1000)
		r.must(err)
		if n += len(page); len(page) == 0 {
			return n
		}
		after = page[len(page)-1].Seq
	}
}

func TestStrangersCannotFillTheInbox(t *testing.T) {
	t.Parallel()
	const most = 50
	r := newRig(t, func(c *Config) { c.MaxForeign = most })
	r.must(r.PruneOnce(r.ctx())) // the daily run
	for hour := range 4 {
		r.clock.advance(foreignEvery)
		r.deliverForeign(400)
		r.must(r.PruneOnce(r.ctx()))
		if got := r.inbox(); got != 2*most {
			t.Errorf("hour %d: got %d deliveries, want %d of each kind", hour, got, most)
		}
	}
	r.deliverForeign(400)
	r.must(r.PruneOnce(r.ctx()))
	if got := r.inbox(); got != 2*most+400 {
		t.Errorf("got %d deliveries before the hour is over, want %d", got, 2*most+400)
	}
	r.countForeignDeliveries(floodSize)
	select {
	case <-r.nudgeUpkeep:
	default:
		t.Error("many deliveries did not wake the upkeep loop")
	}
	r.must(r.PruneOnce(r.ctx()))
	if got := r.inbox(); got != 2*most {
		t.Errorf("got %d deliveries after a flood, want %d", got, 2*most)
	}
}

// countForeignDeliveries counts deliveries without storing them, which would take
// too long.
func (r *rig) countForeignDeliveries(n int) { r.countForeign(jobs.Applied{Foreign: n}) }

func TestRetentionByAge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.webhooks(jobs.OutcomeDone)
	r.deliverForeign(4)
	r.clock.advance(DefaultKeepForeign + time.Hour)
	r.deliverForeign(1)
	r.must(r.PruneOnce(r.ctx()))
	if got := r.inbox(); got != 2 {
		t.Errorf("got %d deliveries after a week, want that of the job and the new one", got)
	}
	r.clock.advance(DefaultKeepDeliveries)
	r.deliverForeign(1)
	r.must(r.newWorker("worker2").PruneOnce(r.ctx()))
	if got := r.inbox(); got != 1 {
		t.Errorf("got %d deliveries after a month, want the new one", got)
	}
	events, _, err := r.store.Events(r.ctx(), jobs.EventFilter{})
	r.must(err)
	if len(events) != 0 {
		t.Errorf("got events %v after a month, want none", events)
	}
	r.webhooks(jobs.OutcomeFailed) // a repeated delivery
	r.expect(map[jobs.State]int64{jobs.Done: 1})
}

func TestRetentionOfKeysAndCallbacks(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	r := newRig(t)
	spec := jobs.BatchSpec{Key: jobs.Key{Scope: "token", Name: "order 7"}}
	add := func(id string) error {
		spec.ID = id
		_, err := r.full.AddJob(r.ctx(), spec, jobs.Request{URL: "https://single.test/"}, r.clock.Now())
		return err
	}
	r.must(add("first"))
	cursor, err := r.full.OpenCursor(r.ctx(), "sink:a", r.clock.Now())
	r.must(err)
	var callbacks []jobs.Callback
	for event := range int64(2) {
		callbacks = append(callbacks, jobs.Callback{Event: event, Target: jobs.Target{Sink: "a"}, Lane: "a"})
	}
	_, err = r.full.AddCallbacks(r.ctx(), "sink:a", cursor, cursor, callbacks, r.clock.Now())
	r.must(err)
	claimed, err := r.full.ClaimCallbacks(r.ctx(), r.clock.Now(), r.clock.Now().Add(time.Minute), 2, 2)
	r.must(err)
	for i, end := range []jobs.CallbackState{jobs.CallbackDelivered, jobs.CallbackDead} {
		c, err := r.full.BeginCallback(r.ctx(), claimed[i].Seq, claimed[i].Generation, r.clock.Now(), r.clock.Now().Add(time.Minute))
		r.must(err)
		r.must(r.full.SettleCallback(r.ctx(), c, jobs.CallbackEnd{State: end}, r.clock.Now(), time.Time{}))
	}
	began := r.clock.Now()
	for _, kept := range []struct {
		after     time.Duration
		key       bool
		callbacks int
	}{{6 * day, true, 2}, {8 * day, false, 1}, {29 * day, false, 1}, {31 * day, true, 0}} {
		r.clock.advance(began.Add(kept.after).Sub(r.clock.Now()))
		r.must(r.PruneOnce(r.ctx()))
		var taken *jobs.KeyTakenError
		if err := add(fmt.Sprintf("after%d", kept.after/day)); kept.key != errors.As(err, &taken) {
			t.Errorf("after %s: got error %v, want the key taken %t", kept.after, err, kept.key)
		}
		left, err := r.full.Callbacks(r.ctx(), jobs.CallbackFilter{})
		r.must(err)
		if len(left) != kept.callbacks {
			t.Errorf("after %s: got %d callbacks, want %d", kept.after, len(left), kept.callbacks)
		}
	}
}
