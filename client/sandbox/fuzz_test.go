package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What is accepted can be sent: no header holds a line's end or a name that is
// none.
func FuzzParseHeaders(f *testing.F) {
	for _, seed := range []string{"X-A: 1", "X-A: 1\nX-B:2\r\n", "Host: a", ": b", "a b: c", "X: a\rY: b", "X: \x00", "Ü: 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		headers, err := parseHeaders(text)
		checkPairs(t, headers, err)
		cookies, err := parseCookies(text)
		checkPairs(t, cookies, err)
	})
}

func checkPairs(t *testing.T, pairs []Pair, err error) {
	if err != nil && len(pairs) > 0 {
		t.Errorf("%v and %q", err, pairs)
	}
	for _, p := range pairs {
		if p.Name == "" || strings.ContainsAny(p.Name, " \r\n:=;") || strings.ContainsAny(p.Value, "\r\n\x00") || len(p.Value) > maxLine {
			t.Errorf("accepted %q: %q", p.Name, p.Value)
		}
	}
}

// What is accepted stays within the limits.
func FuzzParseSteps(f *testing.F) {
	for _, seed := range []string{
		`[{"command":"click","selector":"#a"},{"command":"wait","value":"200"}]`, `[{"command":"wait","value":1e4}]`,
		`[{"command":"scroll","value":-300}]`, `[{"command":"fill","selector":"a","value":"x"}]`, `{}`, `[null]`, `[{"command":"wait","value":"NaN"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := parseSteps(text)
		if err != nil {
			return
		}
		var waited time.Duration
		for _, s := range steps {
			waited += s.Wait
			if s.Wait < 0 || s.Command == StepClick && s.Selector == "" {
				t.Errorf("accepted %+v", s)
			}
		}
		if len(steps) > maxSteps || waited > maxPause {
			t.Errorf("%d steps that wait %v", len(steps), waited)
		}
	})
}

// Every row is one line of text, and what cannot be read is the caller's fault.
func FuzzReadBatch(f *testing.F) {
	for _, seed := range []struct{ kind, body string }{
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"urls.txt\"\r\n\r\nhttps://a.test\r\nb\r\n--b\r\nContent-Disposition: form-data; name=\"country\"\r\n\r\nus\r\n--b--\r\n"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ncut off"},
		{"multipart/form-data", "--b--"},
		{"application/json", `{"urls":["https://a.test","b\n"],"country":"us","shots":2,"tag":["x","y"],"steps":[{"command":"wait"}],"dark":true,"lang":null}`},
		{"text/plain", `{"urls":"https://a.test"}`},
		{"", `null`},
		{"", `[1]`},
	} {
		f.Add(seed.kind, seed.body)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		list, err := readBatch(r)
		if err != nil {
			if refusal := refusalOf(err); refusal.status < 400 || refusal.status > 499 {
				t.Errorf("%v is answered %d", err, refusal.status)
			}
			return
		}
		for _, row := range list.urls {
			if !list.json && (row == "" || strings.TrimSpace(row) != row || strings.ContainsAny(row, "\r\n")) {
				t.Errorf("row %q", row)
			}
		}
		for name, values := range list.options {
			if name == list.listName() {
				t.Errorf("%s is an option: %q", name, values)
			}
		}
	})
}
