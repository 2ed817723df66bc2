package sandbox

import (
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
