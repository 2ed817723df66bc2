package finding_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/finding"
)

// state is a store with these workers and, perhaps, a delivery.
type state struct {
	workers  []jobs.Worker
	delivery time.Time
}

func (s state) Workers(_ context.Context, since time.Time) (alive []jobs.Worker, err error) {
	for _, w := range s.workers {
		if !w.SeenAt.Before(since) {
			alive = append(alive, w)
		}
	}
	return alive, nil
}

func (s state) Totals(context.Context) (jobs.Totals, error) {
	if s.delivery.IsZero() {
		return jobs.Totals{}, nil
	}
	return jobs.Totals{Inbox: 7}, nil
}

func (s state) Delivery(_ context.Context, seq int64) (jobs.KeptDelivery, error) {
	if seq != 7 {
		return jobs.KeptDelivery{}, jobs.ErrNotFound
	}
	return jobs.KeptDelivery{Delivery: jobs.Delivery{ReceivedAt: s.delivery}}, nil
}

// TestFindings provokes each finding.
func TestFindings(t *testing.T) {
	now := time.Now()
	at := now.Local().Format("15:04:05")
	serve := func(receives bool, troubles ...jobs.Trouble) jobs.Worker {
		return jobs.Worker{ID: "w1", Role: "serve", Receives: receives, SeenAt: now, Troubles: troubles}
	}
	other := serve(false)
	other.Role = "run b9"
	gone := serve(true)
	gone.SeenAt = now.Add(-time.Hour)
	open := jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1"}, State: jobs.BatchOpen, Counts: jobs.Counts{ByState: map[jobs.State]int64{jobs.Queued: 5}}}
	pending, finished := open, open
	pending.Counts.ByState = map[jobs.State]int64{jobs.Pending: 2}
	finished.State, finished.Counts.ByProvenance = jobs.BatchFinished, map[jobs.Provenance]int64{jobs.ByPoll: 3}
	named, mixed := finished, finished
	named.Apps = []jobs.App{{ID: "1"}}
	mixed.Apps, mixed.Counts.ByProvenance = named.Apps, map[jobs.Provenance]int64{jobs.ByPoll: 3, jobs.ByWebhook: 1}
	paused := func(reason string) jobs.Batch {
		b := open
		b.State, b.PauseReason = jobs.BatchPaused, reason
		return b
	}
	for name, test := range map[string]struct {
		batch jobs.Batch
		state state
		want  []string // kind, text and what to do
	}{
		"at work":            {open, state{workers: []jobs.Worker{serve(true)}}, nil},
		"no worker":          {open, state{}, []string{"no_worker: no serve is running on this database yet: start `shotline serve` with the same --db"}},
		"a dead worker":      {open, state{workers: []jobs.Worker{gone}}, []string{"no_worker"}},
		"a worker of others": {open, state{workers: []jobs.Worker{other}}, []string{"no_worker"}},
		"paused":             {paused(""), state{workers: []jobs.Worker{serve(true)}}, []string{"paused: the batch is paused: to continue, run `shotline resume b1`"}},
		"paused by error":    {paused("401"), state{workers: []jobs.Worker{serve(true)}}, []string{"paused: the batch is paused: 401: correct the cause, then run `shotline resume b1`"}},
		"paused by budget": {paused("the budget of 3 credits is reached"), state{workers: []jobs.Worker{serve(true)}},
			[]string{"paused: the batch is paused: the budget of 3 credits is reached: to continue, run `shotline resume b1 --budget CREDITS`"}},
		"paused for today": {paused("the daily budget of 3 credits is reached"), state{workers: []jobs.Worker{serve(true)}},
			[]string{"paused: the batch is paused: the daily budget of 3 credits is reached"}},
		"limited and away": {open, state{workers: []jobs.Worker{
			serve(true, jobs.Trouble{Kind: jobs.TroubleRate, Until: now}, jobs.Trouble{Kind: jobs.TroubleVendor, Since: now, Text: "no route"}),
		}}, []string{"rate_limited: the vendor answers 429 until " + at, "vendor_unreachable: the vendor cannot be reached since " + at + ": no route: check"}},
		"queue and disk": {open, state{workers: []jobs.Worker{
			serve(true, jobs.Trouble{Kind: jobs.TroubleQueue, Text: "refused"}, jobs.Trouble{Kind: jobs.TroubleDisk, Text: "5 bytes are free"}),
		}}, []string{"queue: the queue does not answer: refused: start Redis", "disk: 5 bytes are free: free some space"}},
		"refused webhooks of two workers": {open, state{workers: []jobs.Worker{
			serve(true, jobs.Trouble{Kind: jobs.TroubleSignature, Since: now, Count: 2}),
			serve(true, jobs.Trouble{Kind: jobs.TroubleSignature, Since: now, Count: 1}, jobs.Trouble{Kind: jobs.TroublePath, Since: now, Count: 1}),
		}}, []string{"signatures_refused: 3 webhooks without a valid signature since " + at + ": set WEBHOOK_SECRET", "wrong_paths: 1 webhook on a wrong path since " + at}},
		"no webhook yet":       {pending, state{workers: []jobs.Worker{serve(true)}}, []string{"webhooks: 2 rows at the vendor; no good webhook has arrived yet"}},
		"webhooks":             {pending, state{[]jobs.Worker{serve(true)}, now}, []string{"webhooks: 2 rows at the vendor; the last good webhook arrived at " + at}},
		"nobody receives":      {pending, state{workers: []jobs.Worker{serve(false)}}, []string{"no_receiver: 2 rows at the vendor; no process takes webhooks"}},
		"finished":             {finished, state{}, nil},
		"polled":               {named, state{}, []string{"polled: polling closed 3 rows, and webhooks none"}},
		"polled by a receiver": {finished, state{workers: []jobs.Worker{serve(true)}}, []string{"polled"}},
		"some polled":          {mixed, state{workers: []jobs.Worker{serve(true)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := finding.OfBatch(t.Context(), test.state, test.batch, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, strings.TrimSuffix(f.Kind+": "+f.Text+": "+f.Mend, ": "))
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	all, err := finding.OfWorkers(t.Context(), state{}, now)
	if err != nil || len(all) != 1 || all[0].Kind != finding.NoWorker {
		t.Errorf("without workers: %v, %v", all, err)
	}
}
