package summary

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
)

func compute(t *testing.T, f *fakeSource) Summary {
	t.Helper()
	s, err := Compute(t.Context(), f, f.batch.ID, noon.Add(140*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGolden(t *testing.T) {
	running := shopBatch()
	running.batch.State, running.batch.FinishedAt, running.batch.Revision = jobs.BatchPaused, time.Time{}, 0
	running.batch.PauseReason = "the vendor refused the key"
	running.batch.Counts = jobs.Counts{Rows: 123456, ByState: map[jobs.State]int64{jobs.Done: 40, jobs.Queued: 123413, jobs.Submitting: 1, jobs.Pending: 2}}
	running.timings, running.reasons = jobs.Timings{}, nil
	for _, tt := range []struct {
		file  string
		src   *fakeSource
		write func(io.Writer, Summary) error
	}{
		{"shops.txt", shopBatch(), func(w io.Writer, s Summary) error { return WriteText(w, s) }},
		{"shops.colored.txt", shopBatch(), func(w io.Writer, s Summary) error { return WriteText(w, s, Colored()) }},
		{"shops.json", shopBatch(), WriteJSON},
		{"shops.csv", shopBatch(), WriteCSV},
		{"shops.html", shopBatch(), func(w io.Writer, s Summary) error {
			src := shopBatch()
			image := func(j jobs.Job) (string, error) { return "pictures/" + j.ScreenshotID + ".png", nil }
			originals := func(address string) bool { return address == "pictures/1002.png" } // the others are smaller
			return WriteHTML(t.Context(), w, src, s, Sheet{Image: image, Originals: originals, Captions: []string{"Shop"}})
		}},
		{"paused.txt", running, func(w io.Writer, s Summary) error { return WriteText(w, s) }},
		{"paused.json", running, WriteJSON},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var out bytes.Buffer
			if err := tt.write(&out, compute(t, tt.src)); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.file, out.Bytes())
		})
	}
}

func TestTextHasNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	if err := WriteText(&out, compute(t, shopBatch())); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("the text contains control characters: %q", out.String())
	}
}

// A summary has every field of the batch, with the same name and value.
func TestFieldsAgreeWithBatch(t *testing.T) {
	f := shopBatch()
	fields := func(v any) map[string]any {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	got := fields(compute(t, f))
	for name, want := range fields(jobjson.FromBatch(f.batch)) {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-batch +summary):\n%s", name, diff)
		}
	}
}

func TestDecodeReadsEncode(t *testing.T) {
	want := compute(t, shopBatch())
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if bytes.ContainsRune(data, '\n') {
		t.Error("more than one line")
	}
}

func TestComputeOfUnknownBatch(t *testing.T) {
	if _, err := Compute(t.Context(), shopBatch(), "other", noon); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestReasonsAreLimited(t *testing.T) {
	f := shopBatch()
	f.reasons = make([]jobs.Reason, 50)
	if n := len(compute(t, f).Reasons); n != maxReasons {
		t.Errorf("%d reasons, want %d", n, maxReasons)
	}
}

// If the list of reasons is incomplete, the text contains the number of rows with
// other reasons.
func TestTextCountsOtherReasons(t *testing.T) {
	var out bytes.Buffer
	s := Summary{BatchID: "b1", Rows: 1300, Failed: 1200, TimedOut: 40, Reasons: []Reason{{State: jobs.Failed, Error: "gone", Count: 7}}}
	if err := WriteText(&out, s); err != nil || !strings.Contains(out.String(), "\n  and 1,233 rows for other reasons: shotline results b1\n") {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

// Encoding a decoded summary gives one form that is stable, and every summary can
// be written.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"batch_id":"b1","state":"finished","rows":3,"reasons":[{"first_job":"b1-3"}]}`))
	f.Add([]byte(`{"reasons":[{"first_job":"nonsense"}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		kept, err := s.Encode()
		if err != nil {
			t.Fatalf("%q cannot be encoded: %v", data, err)
		}
		again, err := Decode(kept)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, kept, err)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(twice, kept) || bytes.IndexByte(kept, '\n') >= 0 {
			t.Fatalf("%q became %q, then %q (%v)", data, kept, twice, err)
		}
		for _, write := range []func(io.Writer, Summary) error{
			func(w io.Writer, s Summary) error { return WriteText(w, s) }, WriteCSV,
			func(w io.Writer, s Summary) error { return WriteHTML(t.Context(), w, &fakeSource{}, s, Sheet{}) },
		} {
			if err := write(io.Discard, s); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFigures(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{number.Grouped(0), "0"}, {number.Grouped(999), "999"}, {number.Grouped(1000), "1,000"}, {number.Grouped(1234567), "1,234,567"}, {number.Grouped(-123), "-123"}, {number.Grouped(-1234), "-1,234"},
		{span(0), "0 s"}, {span(0.8401), "0.84 s"}, {span(12.34), "12.3 s"}, {span(59.96), "1 min 00 s"}, {span(134), "2 min 14 s"},
		{span(3599.7), "1 h 00 min"}, {span(11100), "3 h 05 min"}, {span(86400 * 4.25), "4 d 6 h"},
		{credits(0.1 + 0.2), "0.3"}, {credits(12), "12"}, {Credits(1.00000001), "1 credit"}, {Credits(0), "0 credits"}, {Credits(-1), "-1 credits"}, {Credits(1234567.5), "1,234,567.5 credits"}, {credits(1234), "1234"}, {Credits(2.5), "2.5 credits"}, {rate(2.345), "2.3"}, {rate(12345.6), "12,346"},
		{percent(0), "0.0 %"}, {percent(0.00001), "<0.1 %"}, {percent(0.99999), ">99.9 %"}, {percent(1), "100.0 %"},
		{PlainLine(" a\t\nb\x00c ", 10), "a b c"}, {PlainLine("abcdef", 4), "abc…"}, {PlainLine("日本語", 3), "日本語"},
		{bar(0), strings.Repeat("·", barWidth)}, {bar(0.0001), "█" + strings.Repeat("·", barWidth-1)}, {bar(1), strings.Repeat("█", barWidth)},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
