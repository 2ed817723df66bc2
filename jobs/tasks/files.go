package tasks

import (
	"context"
	"fmt"
	"time"
)

// filesTimeout is long, because one file can be a long video on a slow line.
const filesTimeout = time.Hour

// FileFetcher fetches wanted files until none is due, or for some minutes. The
// rules for a [Handler] apply.
type FileFetcher interface {
	FetchFiles(ctx context.Context) error
}

// HandleFiles sets the FileFetcher. Call it before Start.
func (q *Queue) HandleFiles(f FileFetcher) { q.files = f }

// EnqueueFiles enqueues a call of FetchFiles for now. It does nothing if this
// generation is already queued.
func (q *Queue) EnqueueFiles(ctx context.Context, generation int64) error {
	return q.enqueue(ctx, TypeFiles, payload{}, fmt.Sprintf("files:%d", generation), time.Time{}, filesTimeout)
}
