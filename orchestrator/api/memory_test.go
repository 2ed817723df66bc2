package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/jobs"
)

// rows writes a batch of many rows as they are read.
type rows struct {
	begin, end string
	row        func(i int) string
	n, i       int
	rest       strings.Reader
	sent       atomic.Int64
}

func (r *rows) Read(p []byte) (int, error) {
	for r.rest.Len() == 0 {
		switch {
		case r.i == 0:
			r.rest.Reset(r.begin + r.row(0))
		case r.i < r.n:
			r.rest.Reset(r.row(r.i))
		case r.i == r.n:
			r.rest.Reset(r.end)
		default:
			return 0, io.EOF
		}
		r.i++
	}
	n, _ := r.rest.Read(p)
	r.sent.Add(int64(n))
	return n, nil
}

// counting is work that only reads the rows.
type counting struct{ Work }

func (counting) ImportBatch(_ context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	b := jobs.Batch{BatchSpec: spec}
	for {
		request, err := next()
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil || request.Reject != "" {
			return b, fmt.Errorf("row %d: %w %s", b.Counts.Rows, err, request.Reject)
		}
		b.Counts.Rows++
	}
}

// TestAHugeBatchIsNotKeptInMemory sends half a million rows, and looks at the
// heap while they come in.
func TestAHugeBatchIsNotKeptInMemory(t *testing.T) {
	const n = 500_000
	for name, body := range map[string]*rows{
		"application/json": {begin: `{"jobs":[`, end: `]}`, n: n, row: func(i int) string {
			return fmt.Sprintf(`%s{"url":"https://a.test/%d","metadata":{"ref":"%040d"}}`, map[bool]string{true: "\n,"}[i > 0], i, i)
		}},
		"text/csv": {begin: "url,ref\n", n: n, row: func(i int) string { return fmt.Sprintf("https://a.test/%d,%040d\n", i, i) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Work = counting{c.Work} })
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			var most uint64
			done, watched := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(watched)
				var now runtime.MemStats
				for {
					select {
					case <-done:
						return
					case <-time.After(200 * time.Millisecond):
						runtime.GC() // what is alive, and not what is garbage
						runtime.ReadMemStats(&now)
						most = max(most, now.HeapAlloc)
					}
				}
			}()
			got := r.ask("POST", "/v1/batches", body, "Content-Type", name).want(202)
			close(done)
			<-watched
			if got["rows"] != float64(n) {
				t.Errorf("%v", got)
			}
			grown := int64(most) - int64(before.HeapAlloc)
			t.Logf("a body of %d MiB, the heap grew by %d KiB", body.sent.Load()>>20, grown>>10)
			if grown > 12<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}
