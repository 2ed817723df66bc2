package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Message is an event as other programs are told it.
type Message struct {
	Type      EventType `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"` // a Job, a Batch, or less where they have moved on
}

// Told is what a Message is made from.
type Told interface {
	Job(ctx context.Context, id ID) (Job, error)
	Batch(ctx context.Context, id string) (Batch, error)
	Delivery(ctx context.Context, seq int64) (KeptDelivery, error)
}

// Tell makes the message of an event: with the job or batch whole as long as it
// is as the event says, and else, when it was retried in the meantime, say, with
// what the event itself knows.
func Tell(ctx context.Context, store Told, e Event) (Message, error) {
	m := Message{Type: e.Type, Timestamp: e.At.UTC()}
	var err error
	switch {
	case e.Type == EventForeign:
		m.Data, err = tellForeign(ctx, store, e)
	case !e.Job.IsZero():
		m.Data, err = tellJob(ctx, store, e)
	default:
		m.Data, err = tellBatch(ctx, store, e)
	}
	if err != nil {
		return Message{}, fmt.Errorf("tell event %d: %w", e.Seq, err)
	}
	return m, nil
}

// stateOf is the state that a job's event tells of. A late result or a
// correction may bring several: their events have it themselves.
var stateOf = map[EventType]State{
	EventJobDone: Done, EventJobFailed: Failed, EventJobTimedOut: TimedOut, EventJobCanceled: Canceled, EventJobRetried: Queued,
}

func tellJob(ctx context.Context, store Told, e Event) (Job, error) {
	j, err := store.Job(ctx, e.Job)
	if err != nil {
		return j, err
	}
	if isAsTold(j, e) {
		return j, nil
	}
	then := Job{
		ID: j.ID, Line: j.Line, URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata, CreatedAt: j.CreatedAt,
		State: toldState(e), Attempt: e.Attempt,
		Late: e.Type == EventJobLate, Corrected: e.Type == EventJobCorrected,
	}
	if !then.State.Open() {
		then.ClosedAt = e.At
	}
	return then, nil
}

// toldState is the state that a job's event tells of. The event of a retry has it
// if the job waits again for the screenshot that it had.
func toldState(e Event) State { return cmp.Or(e.State, stateOf[e.Type], Done) }

// isAsTold reports whether the job is still as its event says. A late result and
// a correction may be about an older attempt than the job's.
func isAsTold(j Job, e Event) bool {
	switch {
	case e.Type == EventJobLate:
		return j.Late && (e.State == "" || j.State == e.State)
	case e.Type == EventJobCorrected:
		return j.Corrected && j.State == e.State
	default:
		return j.State == toldState(e) && j.Attempt == e.Attempt && !j.Corrected
	}
}

// pastBatch is what is known of a batch's event once the batch has gone on.
type pastBatch struct {
	BatchID  string     `json:"batch_id"`
	State    BatchState `json:"state"`
	Revision int        `json:"revision"`
}

func tellBatch(ctx context.Context, store Told, e Event) (any, error) {
	b, err := store.Batch(ctx, e.Batch)
	if err != nil {
		return nil, err
	}
	then, isAsTold := BatchFinished, b.State == BatchFinished && b.Revision == e.Revision
	if e.Type == EventBatchPaused {
		then, isAsTold = BatchPaused, b.State == BatchPaused && b.PauseReason != ""
	}
	if isAsTold {
		return b, nil
	}
	return pastBatch{e.Batch, then, e.Revision}, nil
}

// Foreign is a delivery that no submission of ours can own, as others are told.
type Foreign struct {
	ScreenshotID string          `json:"screenshot_id,omitempty"`
	Event        string          `json:"event,omitempty"` // as the vendor named it
	Outcome      Outcome         `json:"outcome,omitempty"`
	ImageURL     string          `json:"image_url,omitempty"`
	Error        string          `json:"error,omitempty"`
	ReceivedAt   time.Time       `json:"received_at,omitzero"`
	Payload      json.RawMessage `json:"payload,omitempty"` // the vendor's, untouched
}

func tellForeign(ctx context.Context, store Told, e Event) (Foreign, error) {
	d, err := store.Delivery(ctx, e.Delivery)
	if errors.Is(err, ErrNotFound) {
		return Foreign{}, nil // pruned meanwhile
	}
	if err != nil {
		return Foreign{}, err
	}
	f := Foreign{d.ScreenshotID, d.Event, d.Outcome, d.ImageURL, d.Error, d.ReceivedAt.UTC(), nil}
	if json.Valid(d.Body) {
		f.Payload = d.Body
	}
	return f, nil
}
