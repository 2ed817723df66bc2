package pageurl_test

import (
	"net/url"
	"testing"

	"shotline/client/pageurl"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://a.example/":              "https://a.example/",
		"https://a.example/50%-off":       "https://a.example/50%25-off",
		"https://a.example/AC%2FDC/%zz/%": "https://a.example/AC%2FDC/%25zz/%25",
		"https://a.example/?q=100%":       "https://a.example/?q=100%",
		"https://a.example/x#100%":        "https://a.example/x#100%25",
	} {
		if u, err := pageurl.Parse(text); err != nil || u.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %s", text, u, err, want)
		}
	}
	for _, text := range []string{"https://a b.example/", "https://a.example:x/", "://", "https://a.example/\x00"} {
		if u, err := pageurl.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, u)
		}
	}
}

// FuzzParse checks that what net/url accepts has the same result, and that each
// result can be parsed again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"https://a.example/50%-off", "https://a%zz.example/", "%", "//x?%#%", "https://u%:p%@a.example/%%41"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := pageurl.Parse(text)
		if plain, plainErr := url.Parse(text); plainErr == nil && (err != nil || got.String() != plain.String()) {
			t.Fatalf("Parse(%q) = %v, %v, want %v", text, got, err, plain)
		}
		if err != nil {
			return
		}
		if again, err := pageurl.Parse(got.String()); err == nil && again.Path != got.Path {
			t.Fatalf("Parse(%q) has the path %q, then %q", text, got.Path, again.Path)
		}
	})
}
