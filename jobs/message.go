package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Message is an event with the data that other programs receive.
type Message struct {
	Type      EventType
	Timestamp time.Time
	// Data is a Job, a Batch, a PastBatch, or the Delivery of a foreign screenshot.
	Data any
}

// PastBatch is what is known of a batch's event if the batch changed after it.
type PastBatch struct {
	ID       string
	State    BatchState
	Revision int
}

// MessageSource is what NewMessage needs of a store.
type MessageSource interface {
	Job(ctx context.Context, id ID) (Job, error)
	Batch(ctx context.Context, id string) (Batch, error)
	Delivery(ctx context.Context, seq int64) (KeptDelivery, error)
}

// NewMessage returns the message of an event. Its data is the whole job or batch
// while that is still as the event reports it. If it changed after the event,
// because it was retried for example, the data is only what the event itself
// reports.
func NewMessage(ctx context.Context, store MessageSource, e Event) (Message, error) {
	m := Message{Type: e.Type, Timestamp: e.At.UTC()}
	var err error
	switch {
	case e.Type.Info().Subject == SubjectForeign:
		m.Data, err = foreignData(ctx, store, e)
	case !e.Job.IsZero():
		m.Data, err = jobData(ctx, store, e)
	default:
		m.Data, err = batchData(ctx, store, e)
	}
	if err != nil {
		return Message{}, fmt.Errorf("message of event %d: %w", e.Seq, err)
	}
	return m, nil
}

func jobData(ctx context.Context, store MessageSource, e Event) (Job, error) {
	j, err := store.Job(ctx, e.Job)
	if err != nil {
		return j, err
	}
	if jobMatches(j, e) {
		return j, nil
	}
	info := e.Type.Info()
	then := Job{
		ID: j.ID, Line: j.Line, URL: j.URL, Params: j.Params, Tags: j.Tags, Metadata: j.Metadata, CreatedAt: j.CreatedAt,
		State: reportedState(e), Attempt: e.Attempt, Late: info.Late, Corrected: info.Corrected,
	}
	if !then.State.Open() {
		then.ClosedAt = e.At
	}
	return then, nil
}

// reportedState returns the state that a job's event reports. A late result of an
// older version, whose event does not carry a state, is reported as done.
func reportedState(e Event) State { return cmp.Or(e.State, e.Type.Info().State, Done) }

// jobMatches reports whether the job is still as its event reports it. The attempt
// is not compared for a late result or a correction, which can be about an older
// one.
func jobMatches(j Job, e Event) bool {
	switch info := e.Type.Info(); {
	case info.Late:
		return j.Late && (e.State == "" || j.State == e.State)
	case info.Corrected:
		return j.Corrected && j.State == e.State
	default:
		return j.State == reportedState(e) && j.Attempt == e.Attempt && !j.Corrected
	}
}

func batchData(ctx context.Context, store MessageSource, e Event) (any, error) {
	b, err := store.Batch(ctx, e.Batch)
	if err != nil {
		return nil, err
	}
	then := cmp.Or(e.Type.Info().BatchState, BatchFinished)
	if batchMatches(b, e, then) {
		return b, nil
	}
	return PastBatch{ID: e.Batch, State: then, Revision: e.Revision}, nil
}

// batchMatches reports whether the batch is still as its event, which reports the
// state then, describes it. A batch that an error paused has a reason until it is
// resumed or paused by hand.
func batchMatches(b Batch, e Event, then BatchState) bool {
	if then == BatchPaused {
		return b.State == BatchPaused && b.PauseReason != ""
	}
	return b.State == then && b.Revision == e.Revision
}

// foreignData returns the zero Delivery if the delivery was pruned.
func foreignData(ctx context.Context, store MessageSource, e Event) (Delivery, error) {
	kept, err := store.Delivery(ctx, e.Delivery)
	if errors.Is(err, ErrNotFound) {
		return Delivery{}, nil
	}
	return kept.Delivery, err
}
