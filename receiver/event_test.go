package receiver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shotline/jobs"
	"shotline/receiver"
)

const vectorDir = "../testdata/webhooks"

func TestDecodeDialects(t *testing.T) {
	tests := []struct {
		file string
		want jobs.Delivery
	}{
		{"guide-completed.json", jobs.Delivery{Event: "screenshot.completed", ScreenshotID: "abc123",
			Outcome: jobs.OutcomeDone, ImageURL: "https://cdn.example.com/abc123.png"}},
		{"guide-failed.json", jobs.Delivery{Event: "screenshot.failed", ScreenshotID: "4711",
			Outcome: jobs.OutcomeFailed}},
		{"product-finished.json", jobs.Delivery{Event: "screenshot.finished", ScreenshotID: "sc_abc123",
			Outcome: jobs.OutcomeDone, ImageURL: "https://cdn.example.com/sc_abc123.png"}},
		{"product-failed.json", jobs.Delivery{Event: "screenshot.failed", ScreenshotID: "sc_abc124",
			Outcome: jobs.OutcomeFailed, Error: "HTTP 404"}},
		{"unicode.json", jobs.Delivery{Event: "screenshot.finished", ScreenshotID: "sc_日本",
			Outcome: jobs.OutcomeDone, ImageURL: "https://cdn.example.com/写真.png"}},
		{"trailing-newline.json", jobs.Delivery{Event: "batch.finished"}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(vectorDir, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := receiver.Decode(body, http.Header{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(jobs.Delivery{}, "Body")); diff != "" {
				t.Error(diff)
			}
			if string(got.Body) != string(body) {
				t.Error("the body was changed")
			}
		})
	}
}

func TestDecodeOutcome(t *testing.T) {
	const none, done, failed = jobs.OutcomeNone, jobs.OutcomeDone, jobs.OutcomeFailed
	tests := []struct {
		event, status, header string
		want                  jobs.Outcome
		wantEvent             string
	}{
		{"screenshot.completed", "done", "", done, "screenshot.completed"},
		{"screenshot.finished", "finished", "", done, "screenshot.finished"},
		{"screenshot.completed", "", "", done, "screenshot.completed"},
		{"screenshot.completed", "processing", "", done, "screenshot.completed"},
		{"screenshot.failed", "failed", "", failed, "screenshot.failed"},
		{"screenshot.failed", "error", "", failed, "screenshot.failed"},

		{"", "done", "", done, ""},
		{"", "finished", "", done, ""},
		{"", "failed", "", failed, ""},
		{"", "error", "", failed, ""},
		{"", "processing", "", none, ""},
		{"", "", "", none, ""},

		// Unsigned data closes nothing.
		{"", "", "screenshot.finished", none, "screenshot.finished"},
		{"", "", "screenshot.failed", none, "screenshot.failed"},
		{"", "finished", "screenshot.finished", done, "screenshot.finished"},
		{"", "finished", "screenshot.failed", done, "screenshot.failed"},
		{"", "failed", "screenshot.finished", failed, "screenshot.finished"},

		// Contradictions close nothing.
		{"screenshot.completed", "failed", "", none, "screenshot.completed"},
		{"screenshot.failed", "done", "", none, "screenshot.failed"},
		{"screenshot.failed", "", "screenshot.finished", failed, "screenshot.failed"},
		{"", "error", "screenshot.finished", failed, "screenshot.finished"},
		{"", "processing", "screenshot.finished", none, "screenshot.finished"},

		// Other events.
		{"batch.finished", "finished", "", none, "batch.finished"},
		{"batch.finished", "", "screenshot.finished", none, "batch.finished"},
		{"app.upload.failed", "failed", "", none, "app.upload.failed"},
		{"screenshot.retried", "error", "", none, "screenshot.retried"},
		{"", "finished", "batch.finished", none, "batch.finished"},
	}
	for _, tt := range tests {
		t.Run(tt.event+"/"+tt.status+"/"+tt.header, func(t *testing.T) {
			fields := map[string]string{"screenshot_id": "s1"}
			if tt.event != "" {
				fields["event"] = tt.event
			}
			if tt.status != "" {
				fields["status"] = tt.status
			}
			body, _ := json.Marshal(fields)
			h := http.Header{}
			if tt.header != "" {
				h.Set("X-ScreenshotCenter-Event", tt.header)
			}
			d, err := receiver.Decode(body, h)
			if err != nil {
				t.Fatal(err)
			}
			if d.Outcome != tt.want || d.Event != tt.wantEvent || d.ScreenshotID != "s1" {
				t.Errorf("got %q %q %q, want %q %q", d.Outcome, d.Event, d.ScreenshotID, tt.want, tt.wantEvent)
			}
		})
	}
}

func TestDecodeID(t *testing.T) {
	tests := []struct {
		raw  string
		want string
		err  error
	}{
		{`"abc123"`, "abc123", nil},
		{`"a\u0062c"`, "abc", nil},
		{`"1e3"`, "1e3", nil},
		{`"007"`, "007", nil},
		{`123`, "123", nil},
		{`0`, "0", nil},
		{`9007199254740993`, "9007199254740993", nil},
		{`123456789012345678901234567890`, "123456789012345678901234567890", nil},
		{`"` + strings.Repeat("x", 200) + `"`, strings.Repeat("x", 200), nil},

		{`"` + strings.Repeat("x", 201) + `"`, "", receiver.ErrMalformed},
		{strings.Repeat("1", 201), "", receiver.ErrMalformed},
		{`1e3`, "", receiver.ErrMalformed},
		{`1E3`, "", receiver.ErrMalformed},
		{`1.0`, "", receiver.ErrMalformed},
		{`-5`, "", receiver.ErrMalformed},
		{`true`, "", receiver.ErrMalformed},
		{`["1"]`, "", receiver.ErrMalformed},
		{`{"id":1}`, "", receiver.ErrMalformed},
		{`"a\u0000b"`, "", receiver.ErrMalformed},
		{`"a\nb"`, "", receiver.ErrMalformed},
		{`""`, "", receiver.ErrNoID},
		{`"  "`, "", receiver.ErrNoID},
		{`null`, "", receiver.ErrNoID},
		{`"日本"`, "日本", nil},
		{`"\u65e5"`, "日", nil},

		// Some of these would otherwise look the same.
		{`"abc","screenshot_id":null`, "", receiver.ErrMalformed},
		{`"abc","screenshot_id":"abc"`, "", receiver.ErrMalformed},
		{`"a` + "\xff" + `"`, "", receiver.ErrMalformed},
		{`"a` + "\xc3" + `"`, "", receiver.ErrMalformed},
		{`"a\u0062` + "\xff" + `"`, "", receiver.ErrMalformed},
		{`"a\ud800"`, "", receiver.ErrMalformed},
		{`"a\ufffd"`, "", receiver.ErrMalformed},
		{`"a�"`, "", receiver.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.raw[:min(len(tt.raw), 20)], func(t *testing.T) {
			d, err := receiver.Decode([]byte(`{"event":"screenshot.failed","screenshot_id":`+tt.raw+`}`), nil)
			if !errors.Is(err, tt.err) || d.ScreenshotID != tt.want {
				t.Errorf("got %q, %v; want %q, %v", d.ScreenshotID, err, tt.want, tt.err)
			}
		})
	}
}

// Member names must match exactly: no similar name overrides a documented one.
func TestDecodeMatchesNamesExactly(t *testing.T) {
	const good = `"event":"screenshot.completed","screenshot_id":"mine","status":"done"`
	for _, other := range []string{
		`"EVENT":"screenshot.failed"`, `"Event":7`, `"Screenshot_ID":"another"`, `"SCREENSHOT_ID":"another"`,
		`"ſcreenshot_id":"another"`, `"ſtatus":"failed"`, `"STATUS":"failed"`, `"statuſ":"failed"`, `"status ":"failed"`,
		`"\u0053tatus":"failed"`, `"event\u0000":"screenshot.failed"`, "\"status\xff\":\"failed\"",
		`"nested":{"event":"screenshot.failed","screenshot_id":"another","status":"failed"}`,
		`"list":["event",{"status":"failed"},"}"]`, `"text":"\",\"status\":\"failed\""`, `"back\\":"\\","number":-1.5e+3,"no":null`,
	} {
		for _, body := range []string{"{" + good + "," + other + "}", " {\n" + other + " ,\t" + good + " } "} {
			d, err := receiver.Decode([]byte(body), nil)
			if err != nil || d.ScreenshotID != "mine" || d.Outcome != jobs.OutcomeDone || d.Event != "screenshot.completed" {
				t.Errorf("%s\ngot %q %q %q, %v", body, d.ScreenshotID, d.Outcome, d.Event, err)
			}
		}
	}
	// An escaped name is equal to the unescaped one.
	d, err := receiver.Decode([]byte(`{"\u0065vent":"screenshot.failed","screensho\u0074_id":"mine","err\u006fr":"x"}`), nil)
	if err != nil || d.ScreenshotID != "mine" || d.Outcome != jobs.OutcomeFailed || d.Error != "x" {
		t.Errorf("escaped names: %+v, %v", d, err)
	}
}

// The members that decide the outcome must not be repeated.
func TestDecodeRefusesRepeatedNames(t *testing.T) {
	for _, body := range []string{
		`{"event":"screenshot.completed","screenshot_id":"1","event":"screenshot.failed"}`,
		`{"event":"screenshot.completed","screenshot_id":"1","event":"screenshot.completed"}`,
		`{"event":null,"screenshot_id":"1","event":"screenshot.completed"}`,
		`{"status":"done","screenshot_id":"1","status":"failed"}`,
		`{"status":"done","screenshot_id":"1","st\u0061tus":null}`,
		`{"status":"done","screenshot_id":"1","screenshot_id":2}`,
		`{"event":"x.y","event":{}}`,
	} {
		if d, err := receiver.Decode([]byte(body), nil); !errors.Is(err, receiver.ErrMalformed) || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s: got %+v, %v", body, d, err)
		}
	}
}

func TestDecodeReason(t *testing.T) {
	long := strings.Repeat("é", 600)
	tests := []struct{ name, fields, want string }{
		{"error", `"error":"timeout"`, "timeout"},
		{"reason", `"reason":"timeout"`, "timeout"},
		{"message", `"message":"timeout"`, "timeout"},
		{"error before the others", `"message":"c","reason":"b","error":"a"`, "a"},
		{"object", `"error":{"code":"X","message":"timeout"}`, "timeout"},
		{"object without message", `"error":{"code":"X"},"reason":"b"`, "b"},
		{"other type", `"error":true,"message":["x"],"reason":"b"`, "b"},
		{"null", `"error":null,"reason":null`, ""},
		{"blank", `"error":"  ","reason":"b"`, "b"},
		{"one line", `"error":"a\nb\u0000c\u001b[31m "`, "a b c [31m"},
		{"cut between characters", `"error":"x` + long + `"`, "x" + long[:998]},
		{"last one wins", `"error":"a","error":"b"`, "b"},
		{"null does not win", `"error":"a","error":null`, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := receiver.Decode([]byte(`{"event":"screenshot.failed","screenshot_id":1,`+tt.fields+`}`), nil)
			if err != nil || d.Error != tt.want {
				t.Errorf("got %q, %v; want %q", d.Error, err, tt.want)
			}
		})
	}
	d, err := receiver.Decode([]byte(`{"event":"screenshot.completed","screenshot_id":1,"message":"thank you"}`), nil)
	if err != nil || d.Error != "" {
		t.Errorf("a completed screenshot has the error %q (%v)", d.Error, err)
	}
}

func TestDecodeImageURL(t *testing.T) {
	for raw, want := range map[string]string{
		`"https://cdn.example/a.png"`:         "https://cdn.example/a.png",
		`"http:\/\/cdn.example\/a.png"`:       "http://cdn.example/a.png",
		`"javascript:alert(1)"`:               "",
		`"/a.png"`:                            "",
		`"https://a/\u0000"`:                  "",
		`7`:                                   "",
		`null`:                                "",
		`"https://` + long(9000) + `"`:        "",
		`"https://a/","image_url":"http://b"`: "http://b",
	} {
		d, err := receiver.Decode([]byte(`{"event":"screenshot.completed","screenshot_id":1,"image_url":`+raw+`}`), nil)
		if err != nil || d.ImageURL != want {
			t.Errorf("image_url %.40s: got %q, %v; want %q", raw, d.ImageURL, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		want       error
	}{
		{"nothing", ``, receiver.ErrMalformed},
		{"blanks", " \n", receiver.ErrMalformed},
		{"null", `null`, receiver.ErrMalformed},
		{"array", `[{"screenshot_id":1}]`, receiver.ErrMalformed},
		{"string", `"x"`, receiver.ErrMalformed},
		{"number", `1`, receiver.ErrMalformed},
		{"cut off", `{"event":"screenshot.completed","screenshot_id":"1"`, receiver.ErrMalformed},
		{"two objects", `{"event":"a.b"}{}`, receiver.ErrMalformed},
		{"form", `event=screenshot.completed`, receiver.ErrMalformed},
		{"byte order mark", "\ufeff" + `{"event":"a.b"}`, receiver.ErrMalformed},
		{"event is not a string", `{"event":7,"screenshot_id":"1"}`, receiver.ErrMalformed},
		{"status is not a string", `{"status":{},"screenshot_id":"1"}`, receiver.ErrMalformed},
		{"deep nesting", `{"event":"a.b","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, receiver.ErrMalformed},
		{"empty object", `{}`, receiver.ErrNoID},
		{"completed without id", `{"event":"screenshot.completed"}`, receiver.ErrNoID},
		{"unknown screenshot event without id", `{"event":"screenshot.retried"}`, receiver.ErrNoID},
		{"status without id", `{"status":"done"}`, receiver.ErrNoID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d, err := receiver.Decode([]byte(tt.body), nil); !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v; want %v", d, err, tt.want)
			}
		})
	}
}
