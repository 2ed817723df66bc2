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

// ruleResult is the result of the rules documented at Decode, implemented token
// by token.
type ruleResult struct {
	err     error
	id      string
	outcome jobs.Outcome
}

// outcomes are the documented events and statuses.
var outcomes = map[string]jobs.Outcome{
	"screenshot.completed": jobs.OutcomeDone, "screenshot.finished": jobs.OutcomeDone, "screenshot.failed": jobs.OutcomeFailed,
	"done": jobs.OutcomeDone, "finished": jobs.OutcomeDone, "failed": jobs.OutcomeFailed, "error": jobs.OutcomeFailed,
}

// applyRules applies the documented rules.
func applyRules(body []byte, header string) ruleResult {
	fields, ok := topFields(body)
	if !ok {
		return ruleResult{err: receiver.ErrMalformed}
	}
	event, ok1 := optionalText(fields["event"])
	status, ok2 := optionalText(fields["status"])
	if !ok1 || !ok2 {
		return ruleResult{err: receiver.ErrMalformed}
	}
	named := event
	if named == "" {
		named = header
	}
	ofScreenshot := named == "" || strings.HasPrefix(named, "screenshot.")

	var r ruleResult
	switch id := fields["screenshot_id"].(type) {
	case nil:
		if ofScreenshot {
			return ruleResult{err: receiver.ErrNoID}
		}
	case string:
		r.id = id
		if strings.TrimSpace(id) == "" {
			return ruleResult{err: receiver.ErrNoID}
		}
		if strings.ContainsRune(id, utf8.RuneError) { // the replacement character stands for invalid bytes
			return ruleResult{err: receiver.ErrMalformed}
		}
	case json.Number:
		r.id = id.String()
		if strings.Trim(r.id, "0123456789") != "" { // a fraction, an exponent or a sign
			return ruleResult{err: receiver.ErrMalformed}
		}
	default:
		return ruleResult{err: receiver.ErrMalformed}
	}
	byEvent, byStatus := jobs.OutcomeNone, jobs.OutcomeNone
	if strings.Contains(event, ".") {
		byEvent = outcomes[event]
	}
	if !strings.Contains(status, ".") {
		byStatus = outcomes[status]
	}
	switch {
	case !ofScreenshot:
	case event != "" && byStatus != jobs.OutcomeNone && byStatus != byEvent: // contradictory
	case event != "":
		r.outcome = byEvent
	default:
		r.outcome = byStatus
	}
	return r
}

// optionalText returns a field that must be a string or absent.
func optionalText(v any) (string, bool) {
	s, isText := v.(string)
	return s, isText || v == nil
}

// topFields returns the fields of a body that must be one object. It returns
// false if it is not, or if a field is repeated.
func topFields(body []byte) (map[string]any, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
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
			if _, repeated := fields[known]; repeated {
				return nil, false
			}
			fields[known] = value
		}
	}
	return fields, true
}

// Decode agrees with the documented rules and respects its limits.
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
		want := applyRules(body, event)
		if err != nil {
			if !errors.Is(err, receiver.ErrMalformed) && !errors.Is(err, receiver.ErrNoID) {
				t.Errorf("undocumented error %v", err)
			}
			// Other tests check the restrictions on ids beyond their type.
			if want.err == nil && len(want.id) <= 200 && printableASCII(want.id) {
				t.Errorf("got %v, but the rules accept %q", err, body)
			}
			if want.err != nil && !errors.Is(err, want.err) {
				t.Errorf("got %v, the rules want %v: %q", err, want.err, body)
			}
			return
		}
		if want.err != nil || d.Outcome != want.outcome || d.ScreenshotID != want.id {
			t.Errorf("%q with %q\ngot %q %q\nthe rules want %+v", body, event, d.ScreenshotID, d.Outcome, want)
		}
		if d.Outcome != jobs.OutcomeNone && d.ScreenshotID == "" {
			t.Errorf("outcome %q without a screenshot id", d.Outcome)
		}
		if d.Error != "" && d.Outcome != jobs.OutcomeFailed {
			t.Errorf("outcome %q with the error %q", d.Outcome, d.Error)
		}
		if len(d.ScreenshotID) > 200 || len(d.Event) > 200 || len(d.Error) > 1000 || len(d.ImageURL) > 8192 {
			t.Errorf("a limit is exceeded: %+v", d)
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
