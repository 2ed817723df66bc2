package timeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// Kind is the subject of an entry.
type Kind string

// The kinds of entries.
const (
	KindRow        Kind = "row"        // the row came in
	KindSubmission Kind = "submission" // a create was sent, answered, in doubt or lost
	KindDelivery   Kind = "delivery"   // a webhook arrived
	KindEvent      Kind = "event"      // the job ended, changed or began again
	KindConflict   Kind = "conflict"   // its screenshot was reported both as done and as failed
	KindCallback   Kind = "callback"   // a callback was attempted
	KindFile       Kind = "file"       // a file was saved, or could not be
	KindGap        Kind = "gap"        // something might be missing
	KindNow        Kind = "now"        // where the job stands
	KindNext       Kind = "next"       // what comes next
)

// Kinds lists every kind.
var Kinds = []Kind{KindRow, KindSubmission, KindDelivery, KindEvent, KindConflict, KindCallback, KindFile, KindGap, KindNow, KindNext}

// Verdict says what became of a delivery.
type Verdict string

// The verdicts.
const (
	VerdictWaiting       Verdict = "waiting"       // kept, and not applied yet
	VerdictApplied       Verdict = "applied"       // the first result of its screenshot
	VerdictRepeat        Verdict = "repeat"        // repeats the recorded result
	VerdictContradiction Verdict = "contradiction" // contradicts the recorded result
	VerdictHeld          Verdict = "held"
	VerdictForeign       Verdict = "foreign"
	VerdictNoted         Verdict = "noted"
	VerdictAside         Verdict = "aside"
)

// Entry is one line of a timeline. Text is for people; it can contain texts of the
// vendor and of others, so it must be escaped like those. The other fields are for
// programs.
type Entry struct {
	At           time.Time          `json:"at,omitzero" doc:"Absent if the time is not known. A next entry is in the future, or due"`
	Kind         Kind               `json:"kind" enum:"row,submission,delivery,event,conflict,callback,file,gap,now,next"`
	Text         string             `json:"text" doc:"For people"`
	State        jobs.State         `json:"state,omitempty" doc:"The state that an event brought, and in the now entry the present one"`
	Attempt      int                `json:"attempt,omitempty"`
	ScreenshotID string             `json:"screenshot_id,omitempty"`
	Tag          string             `json:"tag,omitempty" doc:"The tag by which the vendor finds the submission"`
	Type         string             `json:"type,omitempty" example:"job.done" doc:"Of an event or of a callback: its type; of a delivery: the vendor's name for it"`
	Verdict      Verdict            `json:"verdict,omitempty" enum:"waiting,applied,repeat,contradiction,held,foreign,noted,aside" doc:"What became of a delivery"`
	By           jobs.Provenance    `json:"by,omitempty" doc:"Provenance of a closure, if it is known"`
	Place        int64              `json:"place,omitempty" doc:"Place of a delivery in the inbox, of an event in the log, or of a callback"`
	Callback     jobs.CallbackState `json:"callback_state,omitempty" enum:"owed,delivered,dead"`
	Attempts     int                `json:"attempts,omitempty" doc:"Attempts at a callback or a file"`
	Status       int                `json:"status,omitempty" doc:"HTTP status of the last response to a callback"`
	File         string             `json:"file,omitempty" doc:"Name of a file in its folder"`
	Error        string             `json:"error,omitempty"`
}

// Source is what a timeline is made from. A jobs.Store implements it.
type Source interface {
	History(ctx context.Context, id jobs.ID) (jobs.History, error)
	Workers(ctx context.Context, since time.Time) ([]jobs.Worker, error)
}

// Of returns the timeline of a job, oldest first. The entry of kind now is the first
// of those that say where the job stands; entries of kind next follow it. It returns
// jobs.ErrNotFound if there is no such job.
func Of(ctx context.Context, from Source, id jobs.ID, now time.Time) ([]Entry, error) {
	h, err := from.History(ctx, id)
	if err != nil {
		return nil, err
	}
	workers, err := from.Workers(ctx, now.Add(-jobs.WorkerAlive))
	if err != nil {
		return nil, err
	}
	b := builder{History: h, now: now, workers: workers}
	b.row()
	b.submissions()
	b.deliveries()
	b.conflicts()
	b.events()
	b.cancel()
	b.callbacks()
	b.files()
	slices.SortStableFunc(b.past, byTime)
	b.gap()
	b.state()
	slices.SortStableFunc(b.next, byTime)
	return slices.Concat(b.past, b.undated, []Entry{b.present}, b.next), nil
}

// builder collects the entries of one job.
type builder struct {
	jobs.History
	now     time.Time
	workers []jobs.Worker

	applied map[string]bool // screenshots with a delivery that brought their first result
	past    []Entry
	undated []Entry
	present Entry
	next    []Entry
}

func byTime(a, b Entry) int { return a.At.Compare(b.At) }

// add adds what happened. An entry without a time comes after all others.
func (b *builder) add(e Entry) {
	if e.At.IsZero() {
		b.undated = append(b.undated, e)
		return
	}
	b.past = append(b.past, e)
}

// expect adds what comes next.
func (b *builder) expect(at time.Time, text string, args ...any) {
	b.next = append(b.next, Entry{At: at, Kind: KindNext, Text: fmt.Sprintf(text, args...)})
}

// row adds how the row came in.
func (b *builder) row() {
	j := b.Job
	text := fmt.Sprintf("row %d", j.ID.Row)
	if j.Line > 0 {
		text += fmt.Sprintf(" came in from line %d", j.Line)
	} else {
		text += " came in"
	}
	if b.Batch.Source != "" {
		text += " of " + b.Batch.Source
	}
	b.add(Entry{At: j.CreatedAt, Kind: KindRow, Text: text})
}

// gap reports that something might be missing.
func (b *builder) gap() {
	if !b.SearchedTo.IsZero() {
		b.undated = append(b.undated, Entry{Kind: KindGap,
			Text: "later webhooks and events were not searched, because the database holds too many; searched until " + clockText(b.SearchedTo)})
	}
	if b.Job.Attempt > 0 && !b.Job.State.Open() && len(b.Events) == 0 {
		b.undated = append(b.undated, Entry{Kind: KindGap, Text: "the events of the job are no longer kept"})
	}
}

// clockText formats a time within a text.
func clockText(t time.Time) string { return t.Local().Format(time.DateTime) }

// because appends a reason to a text.
func because(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}

// times formats a number of attempts.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
