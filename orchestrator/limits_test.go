package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// portionStore records the number and the largest size of an import's portions.
type portionStore struct {
	ImportStore
	most, portions int
}

func (w *portionStore) AppendRequests(_ context.Context, _ string, rows []jobs.Request, _ time.Time) error {
	if len(rows) == 0 { // a heartbeat, from another goroutine
		return nil
	}
	size := 0
	for _, r := range rows {
		size += r.Size()
	}
	w.most = max(w.most, size)
	w.portions++
	return nil
}

func (w *portionStore) OpenBatch(context.Context, string, time.Time) (jobs.Batch, error) {
	return jobs.Batch{}, nil
}

// An import of rows of a megabyte keeps few of them in memory at a time, whatever
// they contain.
func TestImportBoundsItsMemory(t *testing.T) {
	t.Parallel()
	const large = 1 << 20
	many := map[string]any{}
	for i := range 10_000 {
		many[fmt.Sprint(i)] = []any{map[string]any{}}
	}
	for name, request := range map[string]jobs.Request{
		"a cell":          {URL: "https://a.test/", Cells: []string{"https://a.test/", strings.Repeat("x", large)}},
		"metadata":        {URL: "https://a.test/", Metadata: jobs.Metadata{"note": strings.Repeat("x", large)}},
		"a parameter":     {URL: "https://a.test/", Params: jobs.Params{"script": strings.Repeat("x", large)}},
		"many parameters": {URL: "https://a.test/", Params: many},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var rows requests
			for range 40 {
				rows = append(rows, request)
			}
			store := &portionStore{ImportStore: r.store}
			if _, err := Import(r.ctx(), store, jobs.BatchSpec{ID: rigBatch}, &rows, r.clock, ImportOptions{}); err != nil {
				t.Fatal(err)
			}
			if store.most > importBytes+2*large || store.portions < 5 {
				t.Errorf("got %d portions, the largest of %d bytes", store.portions, store.most)
			}
		})
	}
}

func TestRowLimit(t *testing.T) {
	t.Parallel()
	for n, wantErr := range map[int]bool{2999: false, 3000: false, 3001: true, 9000: true} {
		r := newRig(t)
		var rows requests
		for i := range n {
			rows = append(rows, jobs.Request{Line: i + 2, URL: fmt.Sprintf("https://a.test/%d", i)})
		}
		_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, Limits{Rows: 3000}.Guard(&rows), r.clock, ImportOptions{})
		var tooMany *jobs.RowLimitError
		if errors.As(err, &tooMany) != wantErr || (err != nil) != wantErr {
			t.Fatalf("%d rows: %v", n, err)
		}
		if wantErr && (*tooMany != jobs.RowLimitError{Row: 3001, Line: 3002, Limit: 3000} || !strings.Contains(err.Error(), "row 3001 (line 3002): a batch has at most 3000 rows")) {
			t.Errorf("%d rows: %v", n, err)
		}
		if _, err := r.store.Batch(r.ctx(), rigBatch); errors.Is(err, jobs.ErrNotFound) != wantErr {
			t.Errorf("%d rows: got batch error %v", n, err)
		}
	}
}

func TestImportStopsWhenTheDiskHasNoRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checks := 0
	room := func() error {
		if checks++; checks > 3 {
			return fmt.Errorf("%w: 5 bytes are free", jobs.ErrNoRoom)
		}
		return nil
	}
	var rows requests
	for i := range 5000 {
		rows = append(rows, jobs.Request{Line: i + 1, URL: fmt.Sprintf("https://a.test/%d", i), Metadata: jobs.Metadata{"note": strings.Repeat("x", 1000)}})
	}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, Limits{Room: room}.Guard(&rows), r.clock, ImportOptions{})
	if !errors.Is(err, jobs.ErrNoRoom) || errors.Is(err, ErrInput) {
		t.Errorf("import returned %v", err)
	}
	if len(rows) == 0 || len(rows) > 4000 {
		t.Errorf("import left %d rows unread", len(rows))
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("a part of the batch remains: %v", err)
	}
}
