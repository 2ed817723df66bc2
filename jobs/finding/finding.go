// Package finding finds out what holds a batch, from what the store knows and from
// what its workers announce. All places that show this use it, so that they agree.
package finding

import (
	"context"
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// Finding is a reason why a batch, or all work, makes no progress or is slow.
type Finding struct {
	Kind  string    `json:"kind" doc:"paused, no_worker, no_receiver, webhooks or polled, or a kind of trouble of a worker: rate_limited, vendor_unreachable, queue, disk, signatures_refused or wrong_paths"`
	Text  string    `json:"text" doc:"What holds the work, as a sentence for people"`
	Mend  string    `json:"mend,omitempty" doc:"What to do; absent if it passes by itself"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero" doc:"When the work continues by itself; absent if that is not known"`
}

// The kinds of findings, besides those of jobs.Trouble.
const (
	Paused     = "paused"
	NoWorker   = "no_worker"
	NoReceiver = "no_receiver"
	Webhooks   = "webhooks" // jobs wait for their webhooks
	Polled     = "polled"   // all jobs were closed by polling, although webhooks should arrive
)

// Reader is the part of a store that the findings are read from.
type Reader interface {
	Workers(ctx context.Context, since time.Time) ([]jobs.Worker, error)
	Totals(ctx context.Context) (jobs.Totals, error)
	Delivery(ctx context.Context, seq int64) (jobs.KeptDelivery, error)
}

// OfBatch returns what holds a batch, the most important first. A finished batch has
// no findings, except that all its jobs were closed by polling.
func OfBatch(ctx context.Context, store Reader, b jobs.Batch, now time.Time) ([]Finding, error) {
	workers, err := store.Workers(ctx, now.Add(-jobs.WorkerAlive))
	if err != nil {
		return nil, err
	}
	var found []Finding
	var working []jobs.Worker
	receives := false
	for _, w := range workers {
		receives = receives || w.Receives
		if w.WorksOn(b.ID) {
			working = append(working, w)
		}
	}
	if b.State == jobs.BatchFinished {
		return polled(b, receives), nil
	}
	if b.State == jobs.BatchPaused {
		found = append(found, paused(b))
	}
	if len(working) == 0 && b.State != jobs.BatchImporting {
		found = append(found, Finding{Kind: NoWorker, Text: "no serve is running on this database yet", Mend: "start `shotline serve` with the same --db"})
	}
	found = append(found, ofWorkers(working)...)
	found = append(found, polled(b, receives)...)
	if n := b.Counts.Of(jobs.Pending); n > 0 && len(working) > 0 {
		waits, err := waiting(ctx, store, n, receives)
		if err != nil {
			return nil, err
		}
		found = append(found, waits)
	}
	return found, nil
}

// OfWorkers returns the troubles of all live workers, and whether there is none.
func OfWorkers(ctx context.Context, store Reader, now time.Time) ([]Finding, error) {
	workers, err := store.Workers(ctx, now.Add(-jobs.WorkerAlive))
	if err != nil {
		return nil, err
	}
	if len(workers) == 0 {
		return []Finding{{Kind: NoWorker, Text: "no serve is running on this database yet", Mend: "start `shotline serve` with the same --db"}}, nil
	}
	return ofWorkers(workers), nil
}

func paused(b jobs.Batch) Finding {
	if b.PauseReason == "" {
		return Finding{Kind: Paused, Text: "the batch is paused", Mend: "to continue, run `shotline resume " + b.ID + "`"}
	}
	f := Finding{Kind: Paused, Text: "the batch is paused: " + b.PauseReason}
	switch {
	case strings.HasPrefix(b.PauseReason, jobs.DailyBudgetPause): // it continues by itself
	case strings.HasPrefix(b.PauseReason, jobs.BudgetPause):
		f.Mend = "to continue, run `shotline resume " + b.ID + " --budget CREDITS`"
	default:
		f.Mend = "correct the cause, then run `shotline resume " + b.ID + "`"
	}
	return f
}

// ofWorkers returns the troubles of workers. A trouble that several of them have is
// found once, with the sum of their counts.
func ofWorkers(workers []jobs.Worker) (found []Finding) {
	seen := map[jobs.TroubleKind]jobs.Trouble{}
	var order []jobs.TroubleKind
	for _, w := range workers {
		for _, t := range w.Troubles {
			known, again := seen[t.Kind]
			if !again {
				order = append(order, t.Kind)
				seen[t.Kind] = t
				continue
			}
			known.Count += t.Count
			if t.Since.Before(known.Since) {
				known.Since = t.Since
			}
			if t.Until.After(known.Until) {
				known.Until = t.Until
			}
			seen[t.Kind] = known
		}
	}
	for _, kind := range order {
		found = append(found, ofTrouble(seen[kind]))
	}
	return found
}

func ofTrouble(t jobs.Trouble) Finding {
	f := Finding{Kind: string(t.Kind), Since: t.Since, Until: t.Until, Text: t.Text}
	switch t.Kind {
	case jobs.TroubleRate:
		f.Text = "the vendor answers 429 until " + clock(t.Until)
	case jobs.TroubleVendor:
		f.Text = fmt.Sprintf("the vendor cannot be reached since %s: %s", clock(t.Since), t.Text)
		f.Mend = "check the network and --base-url"
	case jobs.TroubleQueue:
		f.Text = "the queue does not answer: " + t.Text
		f.Mend = "start Redis, or correct --redis-url"
	case jobs.TroubleDisk:
		f.Mend = "free some space on the disk of the database"
	case jobs.TroubleSignature:
		f.Text = fmt.Sprintf("%s without a valid signature since %s", number.Of(t.Count, "webhook"), clock(t.Since))
		f.Mend = "set WEBHOOK_SECRET to the signing secret of the webhook app"
	case jobs.TroublePath:
		f.Text = fmt.Sprintf("%s on a wrong path since %s", number.Of(t.Count, "webhook"), clock(t.Since))
		f.Mend = "correct the URL of the webhook app: it ends with the path of --webhook-path"
	}
	return f
}

// waiting says what the pending jobs wait for.
func waiting(ctx context.Context, store Reader, pending int64, receives bool) (Finding, error) {
	f := Finding{Kind: Webhooks, Text: number.Of(pending, "row") + " at the vendor"}
	if !receives {
		f.Kind = NoReceiver
		f.Text += "; no process takes webhooks, so the results are polled"
		return f, nil
	}
	totals, err := store.Totals(ctx)
	if err != nil || totals.Inbox == 0 {
		f.Text += "; no good webhook has arrived yet"
		return f, err
	}
	last, err := store.Delivery(ctx, totals.Inbox)
	if err != nil {
		return f, nil // it was pruned
	}
	f.Text += "; the last good webhook arrived at " + clock(last.ReceivedAt)
	return f, nil
}

// polled reports that webhooks should have closed jobs, but none did.
func polled(b jobs.Batch, receives bool) []Finding {
	by := b.Counts.ByProvenance
	if !receives && len(b.Apps) == 0 || by[jobs.ByWebhook] > 0 || by[jobs.ByPoll] == 0 {
		return nil
	}
	return []Finding{{
		Kind: Polled, Text: fmt.Sprintf("polling closed %s, and webhooks none, although a process takes them or a webhook app is named", number.Of(by[jobs.ByPoll], "row")),
		Mend: "check the URL and the events of the webhook app",
	}}
}

// clock shows a time of day, or a date if it is not of today.
func clock(at time.Time) string {
	at = at.Local()
	if time.Since(at).Abs() > 20*time.Hour {
		return at.Format("2006-01-02 15:04")
	}
	return at.Format("15:04:05")
}
