package tasks

import (
	"context"
	"strings"
	"testing"
)

// panicky panics when it is to submit batch b.
type panicky struct{ Handler }

func (panicky) SubmitBatch(_ context.Context, batch string) error {
	if batch == "b" {
		panic("no such row")
	}
	return nil
}

// A panic in one of the batches of a task fails the task and not the process.
func TestAPanicFailsTheTask(t *testing.T) {
	t.Parallel()
	d := newDispatcher(nil, panicky{})
	err := d.submit(t.Context(), about{Batch: "a", More: []string{"b", "c"}})
	if err == nil || !strings.Contains(err.Error(), "submit batch b: panic: no such row") {
		t.Errorf("the task ended with %v", err)
	}
}
