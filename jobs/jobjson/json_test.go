package jobjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// FuzzJSON checks that a job and its batch are each encoded as one object on one
// line, for any text of a row or of the vendor. Known values are present
// unchanged, and unknown ones are absent.
func FuzzJSON(f *testing.F) {
	f.Add("https://example.com/", "b7k2m9q4x1", "done", "", "spring", "a", "b", int64(17), 1.25, int64(1920000000))
	f.Add("https://a.b/?q=<&>", "b", "failed", "page did not\nanswer\u2028", "", "", "", int64(1), 0.0, int64(0))
	f.Add("\xff", "b", "timed_out", "\x00", "\x7f", "\"", "\\", int64(4294967295), -1e300, int64(-62135596800))
	f.Fuzz(func(t *testing.T, url, batch, state, reason, tag, name, value string, row int64, cost float64, at int64) {
		if cost != cost || cost > 1e300 || cost < -1e300 || at < -62135596800 || at > 253402300799 {
			return // such costs and times are never stored
		}
		when := time.Unix(at, 0).UTC()
		j := jobs.Job{
			ID: jobs.ID{Batch: batch, Row: row}, URL: url, State: jobs.State(state), Error: reason, Tags: []string{tag},
			Metadata: jobs.Metadata{name: value}, Params: jobs.Params{name: []any{value, cost}}, Cost: &cost, CreatedAt: when,
		}
		object := oneLine(t, jobjson.FromJob(j))
		if !utf8.ValidString(strings.Join([]string{url, batch, state, reason, tag, name, value}, " ")) {
			return
		}
		metadata, _ := object["metadata"].(map[string]any)
		tags, _ := object["tags"].([]any)
		if object["url"] != url || object["id"] != j.ID.String() || object["batch_id"] != batch || object["state"] != state ||
			object["cost"] != cost || metadata[name] != value || len(tags) != 1 || tags[0] != tag {
			t.Fatalf("%+v became %v", j, object)
		}
		if got, present := object["error"]; present != (reason != "") || present && got != reason {
			t.Fatalf("error %q became %v", reason, got)
		}
		for _, unknown := range []string{"image_url", "screenshot_id", "closed_by", "submitted_at", "closed_at", "duplicate_of"} {
			if _, present := object[unknown]; present {
				t.Fatalf("%s is unknown but present: %v", unknown, object)
			}
		}
		if text, present := object["created_at"].(string); present == when.IsZero() {
			t.Fatalf("created at %v, but present is %v", when, present)
		} else if read, err := time.Parse(time.RFC3339, text); present && (err != nil || !read.Equal(when)) {
			t.Fatalf("created at %v became %q", when, text)
		}

		b := jobs.Batch{BatchSpec: jobs.BatchSpec{ID: batch, Source: value}, State: jobs.BatchPaused, PauseReason: reason, CreatedAt: when,
			Counts: jobs.Counts{Rows: row, Cost: &cost, ByState: map[jobs.State]int64{jobs.Failed: row}}}
		object = oneLine(t, jobjson.FromBatch(b))
		by, _ := object["closed_by"].(map[string]any)
		if object["batch_id"] != batch || object["rows"] != float64(row) || object["failed"] != float64(row) || object["done"] != 0.0 ||
			object["cost"] != cost || len(by) != len(jobs.Provenances) {
			t.Fatalf("%+v became %v", b, object)
		}
	})
}

func oneLine(t *testing.T, v any) (object map[string]any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil || strings.ContainsAny(string(data), "\r\n\u2028\u2029") {
		t.Fatalf("%+v became %q (%v)", v, data, err)
	}
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return object
}
