package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"shotline/jobs"
)

// rows is a body with many rows, which are generated as they are read.
type rows struct {
	begin, end string
	row        func(i int) string
	n, i       int
	rest       strings.Reader
	sent       atomic.Int64
	pause      func() // called eight times, if it is not nil
}

func (r *rows) Read(p []byte) (int, error) {
	for r.rest.Len() == 0 {
		switch {
		case r.i == 0:
			r.rest.Reset(r.begin + r.row(0))
		case r.i < r.n:
			if r.pause != nil && r.i%max(r.n/8, 1) == 0 {
				r.pause()
			}
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

// countingWork is Work that only reads and counts the rows.
type countingWork struct{ Work }

func (countingWork) ImportBatch(_ context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
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

// heapGrowth returns by how many bytes the live heap grew while do ran. It measures
// eight times while the body arrives. No row arrives during a measurement, so
// after the rows on their way were handled, nothing new is allocated.
func heapGrowth(body *rows, do func()) int64 {
	live := func() uint64 {
		least := uint64(math.MaxUint64)
		for range 3 { // twice for what a sync.Pool holds, and once for the rows on their way
			var now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&now)
			least = min(least, now.HeapAlloc)
		}
		return least
	}
	before := live()
	most := before
	body.pause = func() { most = max(most, live()) }
	do()
	return int64(most) - int64(before)
}

// TestRefusedBatchesUseLittleMemory checks that unknown members are refused before
// their values are read, and that a name, a row or an option that is too large is
// refused. The heap must not grow with the body.
func TestRefusedBatchesUseLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the memory of large bodies")
	}
	const n = 32
	large := strings.Repeat("x", 1<<20-100)
	quoted := `"` + large + `"`
	dense := strings.Repeat("{},", 1000)
	for name, test := range map[string]struct {
		body     *rows
		status   int
		wantText string
	}{
		"unknown members": {&rows{begin: `{`, end: `"jobs":[{"url":"a.test"}]}`, n: n, row: func(i int) string {
			return fmt.Sprintf("\n\"u%d\":%s,", i, quoted)
		}}, 422, `line 2: body.u0: unknown field`},
		"unknown members after the rows": {&rows{begin: `{"jobs":[{"url":"a.test"}]`, end: `}`, n: n, row: func(i int) string {
			return fmt.Sprintf(",\n\"u%d\":[%s]", i, quoted)
		}}, 422, `line 2: body.u0: unknown field`},
		"names in another case": {&rows{begin: `{"jobs":[{"url":"a.test"}]`, end: `}`, n: n, row: func(i int) string {
			return fmt.Sprintf(",\n\"PARAMS\":{\"a%d\":%s}", i, quoted)
		}}, 422, `body.PARAMS: unknown field`},
		"one huge name": {&rows{begin: `{"`, end: `":1,"jobs":[{"url":"a.test"}]}`, n: n, row: func(int) string { return large }}, 422, "longer than"},
		"one huge text": {&rows{begin: `{"source":"`, end: `","jobs":[{"url":"a.test"}]}`, n: n, row: func(int) string { return large }}, 422, "longer than"},
		"a dense row": {&rows{begin: `{"jobs":[{"url":"a.test","params":{"a":[`, end: `{}]}}]}`, n: 300, row: func(int) string { return dense }},
			422, "body.jobs[0]: JSON of more than 10000 values"},
		"a dense option": {&rows{begin: `{"params":{"a":[`, end: `{}]},"jobs":[{"url":"a.test"}]}`, n: 300, row: func(int) string { return dense }},
			422, "body.params: JSON of more than 10000 values"},
		"a deep row": {&rows{begin: `{"jobs":[{"url":"a.test","params":{"a":`, end: `1` + strings.Repeat("]", 9000) + `}}]}`, n: 9000, row: func(int) string { return "[" }},
			422, "body.jobs[0]: JSON nested deeper than 100 levels"},
		"many keys": {&rows{begin: `{"jobs":[{"url":"a.test","metadata":{`, end: `"z":""}}]}`, n: 80_000, row: func(i int) string { return fmt.Sprintf(`"%x":"",`, i) }},
			422, "body.jobs[0]: JSON of more than 10000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			grown := heapGrowth(test.body, func() {
				got := r.do("POST", "/v1/batches", test.body, "Content-Type", "application/json").want(test.status)
				if detail, _ := got["detail"].(string); !strings.Contains(detail, test.wantText) {
					t.Errorf("got %q, want %q", detail, test.wantText)
				}
			})
			t.Logf("a body of %d KiB, the heap grew by %d KiB", test.body.sent.Load()>>10, grown>>10)
			if grown > 4<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			if list, err := r.store.Batches(t.Context(), "", 10); err != nil || len(list) > 0 {
				t.Errorf("batches %v, %v", list, err)
			}
		})
	}
}

// TestAHugeBatchIsNotKeptInMemory sends 60,000 rows and measures the heap while
// they arrive. It would grow too much if 100 bytes of each row were kept.
func TestAHugeBatchIsNotKeptInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("only a large batch shows what is kept of it")
	}
	const n = 60_000
	for name, body := range map[string]*rows{
		"application/json": {begin: `{"jobs":[`, end: `]}`, n: n, row: func(i int) string {
			return fmt.Sprintf(`%s{"url":"https://a.test/%d","metadata":{"ref":"%0200d"}}`, map[bool]string{true: "\n,"}[i > 0], i, i)
		}},
		"text/csv": {begin: "url,ref\n", n: n, row: func(i int) string { return fmt.Sprintf("https://a.test/%d,%0200d\n", i, i) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Work = countingWork{c.Work} })
			var got map[string]any
			grown := heapGrowth(body, func() { got = r.do("POST", "/v1/batches", body, "Content-Type", name).want(202) })
			if got["rows"] != float64(n) {
				t.Errorf("%v", got)
			}
			t.Logf("a body of %d MiB, the heap grew by %d KiB", body.sent.Load()>>20, grown>>10)
			if grown > 2<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}
