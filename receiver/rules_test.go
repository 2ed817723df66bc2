package receiver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"shotline/jobs"
	"shotline/receiver"
)

// ruled is a webhook read by the rules that Decode documents, token by token.
type ruled struct {
	err     error
	id      string
	outcome jobs.Outcome
}

// word is a documented event or status.
var words = map[string]jobs.Outcome{
	"screenshot.completed": jobs.OutcomeDone, "screenshot.finished": jobs.OutcomeDone, "screenshot.failed": jobs.OutcomeFailed,
	"done": jobs.OutcomeDone, "finished": jobs.OutcomeDone, "failed": jobs.OutcomeFailed, "error": jobs.OutcomeFailed,
}

// rule applies them.
func rule(body []byte, header string) ruled {
	fields, ok := topFields(body)
	if !ok {
		return ruled{err: receiver.ErrMalformed}
	}
	event, ok1 := optionalText(fields["event"])
	status, ok2 := optionalText(fields["status"])
	if !ok1 || !ok2 {
		return ruled{err: receiver.ErrMalformed}
	}
	named := event
	if named == "" {
		named = header
	}
	ofScreenshot := named == "" || strings.HasPrefix(named, "screenshot.")

	var r ruled
	switch id := fields["screenshot_id"].(type) {
	case nil:
		if ofScreenshot {
			return ruled{err: receiver.ErrNoID}
		}
	case string:
		r.id = id
		if strings.TrimSpace(id) == "" {
			return ruled{err: receiver.ErrNoID}
		}
		if strings.ContainsRune(id, utf8.RuneError) { // stands for bytes that are no UTF-8
			return ruled{err: receiver.ErrMalformed}
		}
	case json.Number:
		r.id = id.String()
		if strings.Trim(r.id, "0123456789") != "" { // a fraction, an exponent, a sign
			return ruled{err: receiver.ErrMalformed}
		}
	default:
		return ruled{err: receiver.ErrMalformed}
	}
	byEvent, byStatus := jobs.OutcomeNone, jobs.OutcomeNone
	if strings.Contains(event, ".") {
		byEvent = words[event]
	}
	if !strings.Contains(status, ".") {
		byStatus = words[status]
	}
	switch {
	case !ofScreenshot:
	case event != "" && byStatus != jobs.OutcomeNone && byStatus != byEvent: // they contradict each other
	case event != "":
		r.outcome = byEvent
	default:
		r.outcome = byStatus
	}
	return r
}

// optionalText is a field that is a string, or absent.
func optionalText(v any) (string, bool) {
	s, isText := v.(string)
	return s, isText || v == nil
}

// topFields are the fields of the one object that body is, unless one of them is
// there twice.
func topFields(body []byte) (map[string]any, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	fields := map[string]any{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var value any
		if dec.Decode(&value) != nil {
			return nil, false
		}
		switch known := name.(string); known {
		case "event", "status", "screenshot_id":
			if _, twice := fields[known]; twice {
				return nil, false
			}
			fields[known] = value
		}
	}
	return fields, true
}

// Decode says what the rules say, and keeps its limits.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, "screenshot.failed")
	}
	for _, seed := range []struct{ body, event string }{
		{`{"screenshot_id":1e3,"error":{"message":"x"}}`, ""},
		{`{"screenshot_id":"a","screenshot_id":null,"status":"done","status":null}`, ""},
		{`{"screenshot_id":7,"STATUS":"error"}`, "batch.finished"},
		{`{"screenshot_id":7,"event":"screenshot.finished","status":"failed"}`, ""},
		{`{"event":"","screenshot_id":7}`, "screenshot.completed"},
		{`{"event":"batch.finished"}`, "screenshot.failed"},
		{`{"screenshot_id":-0}`, ""},
		{`{"event":"x.y","event":{}}`, ""},
		{`{"screenshot_id":"a","EVENT":"screenshot.failed","\u0065vent":"screenshot.finished"}`, "screenshot.failed"},
		{`{"screenshot_id":"a\ud800","ſtatus":"failed"}`, ""},
		{`{ "x" : [ { "]" : "}" } , "\\" ] , "status":"done" ,"screenshot_id":"a` + "\xff" + `"}`, ""},
	} {
		f.Add([]byte(seed.body), seed.event)
	}
	f.Fuzz(func(t *testing.T, body []byte, event string) {
		d, err := receiver.Decode(body, http.Header{receiver.HeaderEvent: {event}})
		want := rule(body, event)
		if err != nil {
			if !errors.Is(err, receiver.ErrMalformed) && !errors.Is(err, receiver.ErrNoID) {
				t.Errorf("undocumented error %v", err)
			}
			// What an id may look like beyond its type is for the other tests.
			if want.err == nil && len(want.id) <= 200 && printableASCII(want.id) {
				t.Errorf("refused with %v, which the rules accept: %q", err, body)
			}
			if want.err != nil && !errors.Is(err, want.err) {
				t.Errorf("refused with %v, the rules say %v: %q", err, want.err, body)
			}
			return
		}
		if want.err != nil || d.Outcome != want.outcome || d.ScreenshotID != want.id {
			t.Errorf("%q with %q\nis read as %q %q,\nthe rules say %+v", body, event, d.ScreenshotID, d.Outcome, want)
		}
		if d.Outcome != jobs.OutcomeNone && d.ScreenshotID == "" {
			t.Errorf("outcome %q of no screenshot", d.Outcome)
		}
		if d.Error != "" && d.Outcome != jobs.OutcomeFailed {
			t.Errorf("outcome %q with the error %q", d.Outcome, d.Error)
		}
		if len(d.ScreenshotID) > 200 || len(d.Event) > 200 || len(d.Error) > 1000 || len(d.ImageURL) > 8192 {
			t.Errorf("a limit is not kept: %+v", d)
		}
		if !utf8.ValidString(d.ScreenshotID + d.Event + d.Error + d.ImageURL) {
			t.Errorf("not UTF-8: %+v", d)
		}
		if !bytes.Equal(d.Body, body) {
			t.Error("the body was changed")
		}
	})
}

func printableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
