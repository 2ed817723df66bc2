package orchestrator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"shotline/jobs"
)

// brokenRows is an input that tears after some rows.
type brokenRows struct{ rows int }

func (b *brokenRows) Next() (jobs.Request, error) {
	if b.rows == 0 {
		return jobs.Request{}, errors.New("torn")
	}
	b.rows--
	return jobs.Request{Line: 1, URL: fmt.Sprintf("https://a.test/%d", b.rows)}, nil
}

func TestFailedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &brokenRows{rows: 2500}, r.clock, nil)
	if err == nil || !strings.Contains(err.Error(), "torn") {
		t.Fatalf("import returned %v, want the reader's error", err)
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); err == nil {
		t.Error("half a batch stayed")
	}
}
