package parameter_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"shotline/client/parameter"
)

// A parameter from a command line can be encoded as JSON. If it is invalid, the
// error does not contain the whole value.
func FuzzParse(f *testing.F) {
	for _, seed := range [][2]string{
		{"width", "1280"}, {"width", "1e400"}, {"hide_ads", "yes"}, {"steps", `[{"a":1}]`}, {"steps", "{"}, {"x", "[1,"}, {"delay", "0x10"},
		{"KEY", "v"}, {"apps", "1"}, {"url", "a"}, {"delay", "-.5e1"}, {"priority", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		_, value, err := parameter.Parse(name, text)
		if err != nil {
			if value != nil || len(err.Error()) > len(name)+400 {
				t.Fatalf("%q: %v and an error of %d bytes", text, value, len(err.Error()))
			}
			return
		}
		for _, no := range []string{"key", "apps", "url", "tag"} {
			if strings.EqualFold(name, no) && strings.ToLower(name) == no {
				t.Fatalf("%q was accepted as a parameter", name)
			}
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatalf("%q became %v: %v", text, value, err)
		}
		if s, isText := value.(string); isText && s != text {
			t.Fatalf("%q became %q", text, s)
		}
		var again any
		if err := json.Unmarshal(data, &again); err != nil || utf8.ValidString(text) && !cmp.Equal(again, value) {
			t.Fatalf("%q became %v, then %v (%v)", text, value, again, err)
		}
	})
}

// A plausible text can be parsed, so that no row of a column of parameters is
// rejected.
func FuzzPlausible(f *testing.F) {
	for _, p := range parameter.All() {
		for _, text := range append([]string{"", "1", "true", "{}", "a: b", "a=b", "#x"}, p.Values...) {
			f.Add(p.Name, text)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		p, found := parameter.Lookup(name)
		if near := parameter.Nearest(name); near != "" {
			if _, known := parameter.Lookup(near); found || !known {
				t.Fatalf("Nearest(%q) = %q", name, near)
			}
		}
		if !found || !p.Plausible(text) {
			return
		}
		if _, err := p.Parse(text); err != nil {
			t.Fatalf("%s: %q is plausible, but %v", name, text, err)
		}
	})
}
