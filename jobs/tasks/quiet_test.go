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

// hopeless is a handler whose every task fails.
type hopeless struct{}

func (hopeless) SubmitBatch(context.Context, string) error    { return errors.New("disk full") }
func (hopeless) CheckDeadlines(context.Context) error         { return errors.New("disk full") }
func (hopeless) SummarizeBatch(context.Context, string) error { return errors.New("disk full") }

func TestManyFailuresAreFewLines(t *testing.T) {
	var log bytes.Buffer
	q := &Queue{log: slog.New(slog.NewTextHandler(&log, nil)), handling: context.Background()}
	d := newDispatcher(q, hopeless{})
	for range 500 {
		if err := d.ProcessTask(t.Context(), asynq.NewTask(TypeSubmit, []byte(`{"batch":"b1"}`))); err == nil {
			t.Fatal("the failure is lost")
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines < 1 || lines > 12 {
		t.Errorf("%d lines about 500 failures", lines)
	}
}
