package tasks

import (
	"context"
	"testing"
	"time"
)

// fetcher is a FileFetcher that sends each call to a channel.
type fetcher chan struct{}

func (f fetcher) FetchFiles(context.Context) error {
	f <- struct{}{}
	return nil
}

// TestFilesAreFetched checks that each generation that is enqueued calls the
// FileFetcher once.
func TestFilesAreFetched(t *testing.T) {
	t.Parallel()
	f := make(fetcher, 10)
	q := open(t, "", nil)
	q.HandleFiles(f)
	for _, generation := range []int64{1, 1, 2} {
		must(t, q.EnqueueFiles(t.Context(), generation))
	}
	must(t, q.Start(newRecorder()))
	for range 2 {
		select {
		case <-f:
		case <-time.After(15 * time.Second):
			t.Fatal("no call")
		}
	}
	select {
	case <-f:
		t.Error("a generation was run twice")
	case <-time.After(300 * time.Millisecond):
	}
}
