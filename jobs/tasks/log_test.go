package tasks

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
)

// failingHandler is a Handler whose methods all fail.
type failingHandler struct{}

func (failingHandler) SubmitBatch(context.Context, string) error    { return errors.New("disk full") }
func (failingHandler) CheckDeadlines(context.Context) error         { return errors.New("disk full") }
func (failingHandler) SummarizeBatch(context.Context, string) error { return errors.New("disk full") }

func TestFailuresAreLoggedAtALimitedRate(t *testing.T) {
	var log bytes.Buffer
	q := &Queue{log: slog.New(slog.NewTextHandler(&log, nil)), handling: context.Background()}
	d := newDispatcher(q, failingHandler{})
	for range 500 {
		if err := d.ProcessTask(t.Context(), asynq.NewTask(TypeSubmit, []byte(`{"batch":"b1"}`))); err == nil {
			t.Fatal("got no error")
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines < 1 || lines > 12 {
		t.Errorf("%d log lines for 500 failures, want 1 to 12", lines)
	}
}
