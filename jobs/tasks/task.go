package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// The types of the tasks.
const (
	TypeSubmit    = "batch:submit"
	TypeDeadlines = "jobs:deadline"
	TypeSummary   = "batch:summary"
	TypeCallback  = "callback:deliver"
	TypeFiles     = "files:fetch"
)

// Limits of one run. Retries are for short problems, such as a locked database.
// After the last retry the task is dropped, and the sweeper enqueues it again.
const (
	maxRetry         = 2
	submitTimeout    = 5 * time.Minute
	deadlinesTimeout = 5 * time.Minute
	summaryTimeout   = 5 * time.Minute
)

// payload is the payload of every task.
type payload struct {
	Batch      string   `json:"batch,omitempty"`
	More       []string `json:"more,omitempty"` // further batches of the task
	Callback   int64    `json:"callback,omitempty"`
	Generation int64    `json:"generation,omitempty"` // generation of the callback
	Lane       string   `json:"lane,omitempty"`
}

// EnqueueSubmit enqueues a call of SubmitBatch at the given time; a zero time
// means now. If this generation of the batch is already queued, it does nothing
// and returns nil.
func (q *Queue) EnqueueSubmit(ctx context.Context, batch string, generation int64, at time.Time) error {
	id := fmt.Sprintf("submit:%s:%d", batch, generation)
	return q.enqueue(ctx, TypeSubmit, payload{Batch: batch}, id, at, submitTimeout)
}

// EnqueueSubmits enqueues one task that calls SubmitBatch for several batches at
// the same time, now. The generation is that of the first batch.
func (q *Queue) EnqueueSubmits(ctx context.Context, batches []string, generation int64) error {
	if len(batches) == 0 {
		return nil
	}
	id := fmt.Sprintf("submit:%s:%d", batches[0], generation)
	return q.enqueue(ctx, TypeSubmit, payload{Batch: batches[0], More: batches[1:]}, id, time.Time{}, submitTimeout)
}

// EnqueueDeadlines enqueues a call of CheckDeadlines at bucket, a time that many
// deadlines share. It does nothing if this bucket and generation is already
// queued.
func (q *Queue) EnqueueDeadlines(ctx context.Context, bucket time.Time, generation int64) error {
	id := fmt.Sprintf("deadline:%d:%d", bucket.UnixMilli(), generation)
	return q.enqueue(ctx, TypeDeadlines, payload{}, id, bucket, deadlinesTimeout)
}

// EnqueueSummary enqueues a call of SummarizeBatch for now. It does nothing if
// this revision and generation is already queued.
func (q *Queue) EnqueueSummary(ctx context.Context, batch string, revision int, generation int64) error {
	id := fmt.Sprintf("summary:%s:%d:%d", batch, revision, generation)
	return q.enqueue(ctx, TypeSummary, payload{Batch: batch}, id, time.Time{}, summaryTimeout)
}

// EnqueueSummaries enqueues one task that calls SummarizeBatch for several
// batches, one after the other, now. The generation is that of the first batch.
func (q *Queue) EnqueueSummaries(ctx context.Context, batches []string, generation int64) error {
	if len(batches) == 0 {
		return nil
	}
	id := fmt.Sprintf("summaries:%s:%d", batches[0], generation)
	return q.enqueue(ctx, TypeSummary, payload{Batch: batches[0], More: batches[1:]}, id, time.Time{}, summaryTimeout)
}

// newTask returns an asynq task. It uses neither retention nor a uniqueness lock,
// because both keep ids in use after their task has ended.
func newTask(kind string, p payload, id string, at time.Time, timeout time.Duration, queue string) (*asynq.Task, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	options := []asynq.Option{
		asynq.TaskID(id), asynq.Queue(queue), asynq.MaxRetry(maxRetries(kind)), asynq.Timeout(timeout),
	}
	if !at.IsZero() {
		options = append(options, asynq.ProcessAt(wholeSecond(at)))
	}
	return asynq.NewTask(kind, data, options...), nil
}

// maxRetries returns the number of retries after which asynq would archive a
// task.
func maxRetries(kind string) int {
	if kind == TypeCallback {
		return maxCallbackRetry
	}
	return maxRetry
}

// wholeSecond rounds up to a second. asynq truncates a scheduled time to the
// second, and a task that runs before its deadline would find no work.
func wholeSecond(t time.Time) time.Time {
	if cut := t.Truncate(time.Second); cut.Before(t) {
		return cut.Add(time.Second)
	}
	return t
}

// parseTask decodes the payload of a task.
func parseTask(data []byte) (payload, error) {
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return payload{}, fmt.Errorf("payload: %w", err)
	}
	return p, nil
}
