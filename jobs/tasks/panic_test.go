package tasks

import (
	"context"
	"strings"
	"testing"
)

// panickingHandler panics when it submits batch b.
type panickingHandler struct{ Handler }

func (panickingHandler) SubmitBatch(_ context.Context, batch string) error {
	if batch == "b" {
		panic("no such row")
	}
	return nil
}

// A panic in one of the batches of a task fails the task but not the process.
func TestPanicFailsTheTask(t *testing.T) {
	t.Parallel()
	d := newDispatcher(nil, panickingHandler{})
	err := d.submit(t.Context(), payload{Batch: "a", More: []string{"b", "c"}})
	if err == nil || !strings.Contains(err.Error(), "submit batch b: panic: no such row") {
		t.Errorf("got %v", err)
	}
}
