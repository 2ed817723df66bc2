package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// The names of the tasks.
const (
	TypeSubmit    = "batch:submit"
	TypeDeadlines = "jobs:deadline"
	TypeSummary   = "batch:summary"
	TypeCallback  = "callback:deliver"
)

// Limits of one run. The retries bridge a short trouble, such as a locked
// database; after them the task is dropped and the sweeper takes over.
const (
	maxRetry         = 2
	submitTimeout    = 5 * time.Minute
	deadlinesTimeout = 5 * time.Minute
	summaryTimeout   = 5 * time.Minute
)

// about is the payload of every task: what it is about.
type about struct {
	Batch      string   `json:"batch,omitempty"`
	More       []string `json:"more,omitempty"` // batches that share the task
	Callback   int64    `json:"callback,omitempty"`
	Generation int64    `json:"generation,omitempty"` // of the callback
	Lane       string   `json:"lane,omitempty"`
}

// EnqueueSubmit asks for SubmitBatch, from at on; a zero at means now. When
// this generation of the batch is queued already, nothing happens and the
// error is nil.
func (q *Queue) EnqueueSubmit(ctx context.Context, batch string, generation int64, at time.Time) error {
	id := fmt.Sprintf("submit:%s:%d", batch, generation)
	return q.enqueue(ctx, TypeSubmit, about{Batch: batch}, id, at, submitTimeout)
}

// EnqueueSubmits asks for SubmitBatch of several batches at the same time, now. The
// generation is that of the first one.
func (q *Queue) EnqueueSubmits(ctx context.Context, batches []string, generation int64) error {
	if len(batches) == 0 {
		return nil
	}
	id := fmt.Sprintf("submit:%s:%d", batches[0], generation)
	return q.enqueue(ctx, TypeSubmit, about{Batch: batches[0], More: batches[1:]}, id, time.Time{}, submitTimeout)
}

// EnqueueDeadlines asks for CheckDeadlines at bucket, a moment that many
// deadlines share. A bucket and generation that is queued already is left as
// it is.
func (q *Queue) EnqueueDeadlines(ctx context.Context, bucket time.Time, generation int64) error {
	id := fmt.Sprintf("deadline:%d:%d", bucket.UnixMilli(), generation)
	return q.enqueue(ctx, TypeDeadlines, about{}, id, bucket, deadlinesTimeout)
}

// EnqueueSummary asks for SummarizeBatch now. A revision and generation that
// is queued already is left as it is.
func (q *Queue) EnqueueSummary(ctx context.Context, batch string, revision int, generation int64) error {
	id := fmt.Sprintf("summary:%s:%d:%d", batch, revision, generation)
	return q.enqueue(ctx, TypeSummary, about{Batch: batch}, id, time.Time{}, summaryTimeout)
}

// EnqueueSummaries asks for SummarizeBatch of several batches, one after the other,
// now. The generation is that of the first one.
func (q *Queue) EnqueueSummaries(ctx context.Context, batches []string, generation int64) error {
	if len(batches) == 0 {
		return nil
	}
	id := fmt.Sprintf("summaries:%s:%d", batches[0], generation)
	return q.enqueue(ctx, TypeSummary, about{Batch: batches[0], More: batches[1:]}, id, time.Time{}, summaryTimeout)
}

// newTask makes a task as asynq keeps it. No retention and no uniqueness lock:
// both keep ids taken after their task has ended.
func newTask(kind string, what about, id string, at time.Time, timeout time.Duration, queue string) (*asynq.Task, error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	options := []asynq.Option{
		asynq.TaskID(id), asynq.Queue(queue), asynq.MaxRetry(maxRetries(kind)), asynq.Timeout(timeout),
	}
	if !at.IsZero() {
		options = append(options, asynq.ProcessAt(wholeSecond(at)))
	}
	return asynq.NewTask(kind, payload, options...), nil
}

// maxRetries is after how many asynq would give a task up.
func maxRetries(kind string) int {
	if kind == TypeCallback {
		return maxCallbackRetry
	}
	return maxRetry
}

// wholeSecond rounds up. asynq cuts a scheduled time to the second, and a task
// that runs before its deadline finds nothing to do.
func wholeSecond(t time.Time) time.Time {
	if cut := t.Truncate(time.Second); cut.Before(t) {
		return cut.Add(time.Second)
	}
	return t
}

// parseTask reads what a task is about.
func parseTask(payload []byte) (about, error) {
	var what about
	if err := json.Unmarshal(payload, &what); err != nil {
		return about{}, fmt.Errorf("payload: %w", err)
	}
	return what, nil
}
