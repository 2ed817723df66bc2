package summary

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/input"
)

// requestsOf reads all requests of an input, and its notes.
func requestsOf(t *testing.T, file []byte) (requests []jobs.Request, notes []string) {
	t.Helper()
	r, err := input.Open(bytes.NewReader(file), input.Options{Amends: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return requests, r.Notes()
		}
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request)
	}
}

// finished returns a batch of requests that have ended in every way.
func finished(requests []jobs.Request) *fakeSource {
	f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b"}}}
	for i, request := range requests {
		j := jobs.Job{
			ID: jobs.ID{Batch: "b", Row: int64(i + 1)}, Line: request.Line, URL: request.URL, Params: request.Params, Tags: request.Tags,
			Metadata: request.Metadata, State: jobs.States[i%len(jobs.States)], Error: "no answer", ImageURL: "https://img.example/1.png",
			ScreenshotID: "17", ClosedBy: jobs.ByPoll, Attempt: 1, Cost: cost(1), CreatedAt: noon, SubmittedAt: noon, ClosedAt: noon,
		}
		if request.Reject != "" {
			j.State, j.Error = jobs.Rejected, request.Reject
		}
		f.rows = append(f.rows, jobs.Row{Job: j})
	}
	return f
}

// TestJSONResultsOfResults submits results in JSON Lines as the next input, three
// times. The requests do not change, and each names its job.
func TestJSONResultsOfResults(t *testing.T) {
	file := `{"url":"a.test/1","params":{"width":1280},"tags":["x"],"sku":"A-1","count":12345678901234567890}
{"url":"a.test/2","state":"Bayern","id":7,"cost":1.5}
"a.test/3"
{"url":"nowhere","sku":"A-4"}
`
	first, notes := requestsOf(t, []byte(file))
	if len(first) != 4 || len(notes) > 0 {
		t.Fatalf("%+v, notes %q", first, notes)
	}
	want := first
	for i := range want {
		want[i].Job = jobs.ID{Batch: "b", Row: int64(i + 1)}
	}
	got := first
	for range 3 {
		var out bytes.Buffer
		r := Results{Format: JSONL, File: func(j jobs.Job) string { return j.ID.String() + ".png" }}
		if err := r.Write(t.Context(), &out, finished(got), "b"); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), `"file":"b-2.png"`) {
			t.Fatalf("the file is missing:\n%s", &out)
		}
		if got, notes = requestsOf(t, out.Bytes()); len(notes) != 1 || !strings.Contains(notes[0], "earlier results file") {
			t.Errorf("notes: %q", notes)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("requests (-want +got):\n%s", diff)
		}
	}
}
