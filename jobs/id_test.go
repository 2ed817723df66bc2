package jobs_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"shotline/jobs"
)

func TestIDWrittenForm(t *testing.T) {
	for _, id := range []jobs.ID{{Batch: "b7k2m9q4x1", Row: 17}, {Batch: "a", Row: 1}, {Batch: strings.Repeat("9", 20), Row: math.MaxInt64}} {
		parsed, err := jobs.ParseID(id.String())
		if err != nil || parsed != id {
			t.Errorf("%s is read as %v, %v", id, parsed, err)
		}
		text, err := json.Marshal(map[string]jobs.ID{"id": id})
		if want := `{"id":"` + id.String() + `"}`; err != nil || string(text) != want {
			t.Errorf("%s is written as %s, %v; want %s", id, text, err, want)
		}
		var read struct {
			ID jobs.ID `json:"id"`
		}
		if err := json.Unmarshal(text, &read); err != nil || read.ID != id {
			t.Errorf("%s is read as %v, %v", text, read.ID, err)
		}
	}
	if !(jobs.ID{}).IsZero() || (jobs.ID{Batch: "a", Row: 1}).IsZero() {
		t.Error("only the zero id names nothing")
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, s := range []string{
		"", "-", "b1", "b1-", "-1", "b1-0", "b1--1", "b1-01", "b1-+1", "b1-1 ", " b1-1", "b1-1-1", "b1-1.0", "b1-x",
		"B1-1", "b_1-1", "ä-1", "b1-9223372036854775808", strings.Repeat("b", 21) + "-1",
	} {
		id, err := jobs.ParseID(s)
		if !errors.Is(err, jobs.ErrInvalid) || !id.IsZero() {
			t.Errorf("%q is read as %v, %v", s, id, err)
		}
		kept := jobs.ID{Batch: "kept", Row: 1}
		if err := kept.UnmarshalText([]byte(s)); err == nil || kept.Batch != "kept" {
			t.Errorf("%q read into an id leaves %v, %v", s, kept, err)
		}
	}
	if _, err := jobs.ParseID("not an id"); err == nil || !strings.Contains(err.Error(), `"not an id"`) {
		t.Errorf("error %v does not name the text", err)
	}
}

func TestTags(t *testing.T) {
	id := jobs.ID{Batch: "b7k2m9q4x1", Row: 17}
	if tag := jobs.BatchTag(id.Batch); tag != "shotline-b7k2m9q4x1" {
		t.Errorf("batch tag %s", tag)
	}
	tag := jobs.SubmissionTag(id, 2)
	if tag != "shotline-b7k2m9q4x1-17-2" || (jobs.Submission{Job: id, Attempt: 2}).Tag() != tag {
		t.Errorf("submission tag %s", tag)
	}
	parsed, attempt, ok := jobs.ParseSubmissionTag(tag)
	if !ok || parsed != id || attempt != 2 {
		t.Errorf("%s is read as %v, %d, %v", tag, parsed, attempt, ok)
	}
	for _, other := range []string{
		"", "shotline-", "shotline-b1", "shotline-b1-1", "shotline-b1-1-1-1", "shotline-b1-0-1", "shotline-b1-1-0", "shotline-b1-01-1",
		"shotline-b1-1-01", "shotline-b1-1--1", "shotline-b1-1-1 ", " shotline-b1-1-1", "Shotline-b1-1-1", "shotline-B1-1-1",
		"shotline--1-1", "b1-1-1", "shotline-b1-1-1073741825", "shotline-b1-9223372036854775808-1",
	} {
		if id, attempt, ok := jobs.ParseSubmissionTag(other); ok || !id.IsZero() || attempt != 0 {
			t.Errorf("%q is read as %v, %d, %v", other, id, attempt, ok)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"b1-1", "b7k2m9q4x1-17", "", "b1-01", "b1-1-1", "-1", "b1-9223372036854775807", "b1-\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := jobs.ParseID(s)
		if err != nil {
			if !id.IsZero() {
				t.Fatalf("%q is refused but gives %v", s, id)
			}
			return
		}
		if id.String() != s || !jobs.ValidBatchID(id.Batch) || id.Row < 1 {
			t.Fatalf("%q is read as %#v", s, id)
		}
	})
}

func FuzzParseSubmissionTag(f *testing.F) {
	for _, seed := range []string{"shotline-b1-1-1", "shotline-b7k2m9q4x1-17-2", "shotline-b1", "spring", "shotline-b1-01-1", "shotline-b1-1-1073741824"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		id, attempt, ok := jobs.ParseSubmissionTag(tag)
		if !ok {
			if !id.IsZero() || attempt != 0 {
				t.Fatalf("%q is refused but gives %v, %d", tag, id, attempt)
			}
			return
		}
		if jobs.SubmissionTag(id, attempt) != tag || attempt < 1 {
			t.Fatalf("%q is read as %#v, %d", tag, id, attempt)
		}
	})
}
