package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

func TestScratchKeepsRequests(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s, err := newScratch(folder)
	if err != nil {
		t.Fatal(err)
	}
	given := []draft{
		{Request: request{Request: jobs.Request{Line: 3, URL: "https://a.test/?a=1&b=<é>"}}, Job: endedJob{State: jobs.Rejected}},
		{
			Request: request{Request: jobs.Request{
				URL: "https://b.test/", Params: jobs.Params{"width": 800.0, "steps": []any{map[string]any{"click": "#ok"}}}, Tags: []string{"x"},
				Metadata: jobs.Metadata{"n": json.Number("12345678901234567890.10"), "none": nil, "yes": true, "text": "\u2028\"\n"},
				Cells:    []string{"", "é"}, Reject: "bad", CallbackURL: "https://c.test/", Timeout: time.Minute, Priority: new(-3),
			}},
			Job: endedJob{jobs.TimedOut, 2, "77", time.Unix(1700000000, 5).UTC(), time.Second, jobs.ByDeadline, 1, jobs.OutcomeDone},
		},
	}
	places := make([]place, len(given))
	for i := range given {
		if places[i], err = s.add(given[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := len(given) - 1; i >= 0; i-- {
		var got draft
		if err := s.get(places[i], &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(given[i], got, cmp.AllowUnexported(request{})); diff != "" {
			t.Errorf("draft %d: %s", i, diff)
		}
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); len(left) > 0 || err != nil {
		t.Errorf("files remain: %v, %v", left, err)
	}
}

// bulky yields n requests with 64 KiB each for the rows of the rig's batch. After
// the last one it measures the heap and fails.
type bulky struct {
	n, next int
	heap    uint64
}

func (b *bulky) Next() (jobs.Request, error) {
	if b.next == b.n {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.heap = m.HeapAlloc
		return jobs.Request{}, io.ErrUnexpectedEOF
	}
	b.next++
	r := fixed(int64(b.next), fmt.Sprintf("https://b1.test/%d/", b.next))
	r.Cells = []string{fmt.Sprint("S", b.next), r.URL}
	r.Metadata = jobs.Metadata{"pad": strings.Repeat("x", 64<<10)}
	return r, nil
}

// The memory of an amendment does not depend on the size of its rows. This test is
// not parallel, so that others do not use memory at the same time.
func TestAmendKeepsRowsOutOfMemory(t *testing.T) {
	const n = 1000
	r := newRig(t, one)
	rows := requests{}
	for i := range n {
		rows = append(rows, jobs.Request{Line: i + 2, URL: "bad", Reject: "not a URL", Cells: []string{fmt.Sprint("S", i+1), "bad"}})
	}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch, Columns: []string{"SKU", "url"}}, &rows, r.clock, ImportOptions{})
	r.must(err)
	for _, by := range []string{"", "SKU"} {
		var used [2]uint64
		for i, size := range []int{1, n} {
			given := &bulky{n: size}
			got, err := AmendBatch(r.ctx(), r.full, nil, rigBatch, given, jobs.AmendOptions{Columns: []string{"SKU", "url"}, By: by, TempDir: t.TempDir()}, r.clock)
			if !errors.Is(err, ErrInput) || got.Amended > 0 {
				t.Fatalf("amended %+v, %v", got, err)
			}
			used[i] = given.heap
		}
		if more := int64(used[1]) - int64(used[0]); more > 8<<20 {
			t.Errorf("by %q: %d rows of 64 KiB take %d MiB", by, n, more>>20)
		}
	}
	r.expect(map[jobs.State]int64{jobs.Rejected: n})
	none := filepath.Join(t.TempDir(), "none")
	if _, err := AmendBatch(r.ctx(), r.full, nil, rigBatch, &bulky{n: 1}, jobs.AmendOptions{TempDir: none}, r.clock); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrInput) {
		t.Errorf("without a folder: %v", err)
	}
}
