package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Accepted headers and cookies can be sent: they have valid names and no line
// ends.
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
		t.Errorf("got error %v and pairs %q", err, pairs)
	}
	for _, p := range pairs {
		if p.Name == "" || strings.ContainsAny(p.Name, " \r\n:=;") || strings.ContainsAny(p.Value, "\r\n\x00") || len(p.Value) > maxLine {
			t.Errorf("accepted %q: %q", p.Name, p.Value)
		}
	}
}

// Accepted steps are within the limits.
func FuzzParseSteps(f *testing.F) {
	for _, seed := range []string{
		`[{"command":"click","selector":"#a"},{"command":"wait","value":"200"}]`, `[{"command":"wait","value":1e4}]`,
		`[{"command":"sleep","value":2},{"command":"type","element":"#a","value":"x"}]`, `[{"command":"sleep","value":1e300}]`,
		`[{"command":"scroll","value":-300}]`, `[{"command":"fill","selector":"a","value":"x"}]`, `{}`, `[null]`, `[{"command":"wait","value":"NaN"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := parseSteps(text, time.Second)
		if err != nil {
			return
		}
		var waited time.Duration
		for _, s := range steps {
			waited += s.Wait
			if s.Wait < 0 || s.Command == StepFill && s.Selector == "" {
				t.Errorf("accepted %+v", s)
			}
		}
		if len(steps) > maxSteps || waited > maxPause {
			t.Errorf("accepted %d steps that wait %v", len(steps), waited)
		}
	})
}

// Every row is one line of text, and a body that cannot be read gets a 4xx
// response.
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
			if refusal := asAPIError(err); refusal.status < 400 || refusal.status > 499 {
				t.Errorf("%v has status %d, want 4xx", err, refusal.status)
			}
			return
		}
		for _, row := range list.urls {
			if !list.json && (row == "" || strings.TrimSpace(row) != row || strings.ContainsAny(row, "\r\n")) {
				t.Errorf("accepted row %q", row)
			}
		}
		for name, values := range list.options {
			if name == list.listName() {
				t.Errorf("the list %s is also an option: %q", name, values)
			}
		}
	})
}

// pathVariables matches the variables that the vendor documents.
var pathVariables = regexp.MustCompile(`\{(id|domain|tag|yyyy|mm|dd|hh|ii|ss)\}`)

// Each documented variable is replaced once. All other text stays unchanged,
// including variables in a tag.
func FuzzPathTemplate(f *testing.F) {
	for _, seed := range [][2]string{
		{"archive/{domain}/{yyyy}/{mm}/{dd}/{id}.png", "spring"}, {"{tag}{{id}}", "{id}"}, {"{ii}{ss}{hh}{x}{", "}"}, {"", ""}, {"{{tag}}", "id"},
	} {
		f.Add(seed[0], seed[1])
	}
	at := time.Date(2031, 5, 6, 7, 8, 9, 0, time.FixedZone("", 2*60*60))
	values := map[string]string{"{id}": "42", "{domain}": "a.test", "{yyyy}": "2031", "{mm}": "05", "{dd}": "06", "{hh}": "05", "{ii}": "08", "{ss}": "09"}
	f.Fuzz(func(t *testing.T, template, tag string) {
		s := &screenshot{webhookSource: webhookSource{id: 42}, order: order{
			render: RenderRequest{URL: "https://a.test:8443/x"}, createdAt: at, tags: []string{tag, "other"},
		}}
		want := pathVariables.ReplaceAllStringFunc(template, func(variable string) string {
			if variable == "{tag}" {
				return tag
			}
			return values[variable]
		})
		if got := s.expand(template); got != want {
			t.Errorf("%q became %q, want %q", template, got, want)
		}
	})
}

// The text form of a parsed fault parses to the same fault.
func FuzzParseFault(f *testing.F) {
	for _, kind := range FaultList() {
		f.Add(kind.Name + "=0.5")
	}
	for _, seed := range []string{"webhook-duplicate=0.2,times=2..20", "create-cut=NaN", "create-cut=1e-400", "x=1", "create-429=1,seconds=1..30", "a=1,=", "webhook-late=1,delay=1s..1.5h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ParseFault(text)
		if err != nil {
			return
		}
		again, err := ParseFault(fault.String())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(fault) || !(fault.Probability >= 0 && fault.Probability <= 1) {
			t.Fatalf("%q became %v, then %v (%v)", text, fault, again, err)
		}
		set, err := newFaultSet([]Fault{fault}, 1)
		if err != nil {
			t.Fatalf("%q cannot be set: %v", text, err)
		}
		if set.next("a").hit(fault.Name) && fault.Probability == 0 {
			t.Fatalf("%q happened with probability 0", text)
		}
	})
}
