package weburl_test

import (
	"slices"
	"strings"
	"testing"

	"shotline/jobs/weburl"
)

func TestSpellings(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, "example": nil, "example.com/a%2Fb?c=d#e": nil, "/": nil, ".": nil, "https://": nil,
		"bücher":                         {"b%C3%BCcher", "xn--bcher-kva"},
		"BÜCHER.example":                 {"B%C3%9CCHER.example", "xn--bcher-kva.example"},
		".bücher.":                       {".b%C3%BCcher.", ".xn--bcher-kva."},
		"bücher.example/ü x":             {"b%C3%BCcher.example/%C3%BC%20x", "xn--bcher-kva.example/%C3%BC%20x"},
		"/bücher":                        {"/b%C3%BCcher"},
		"?q=ü":                           {"?q=%C3%BC"},
		"my report":                      {"my%20report"},
		"https://bücher.example/":        {"https://xn--bcher-kva.example/"},
		"https://example.com/ü":          {"https://example.com/%C3%BC"},
		"bücher.example:8443/a":          {"b%C3%BCcher.example:8443/a", "xn--bcher-kva.example:8443/a"},
		"\x00ü":                          nil,
		strings.Repeat("ü", 100):         {strings.Repeat("%C3%BC", 100)},
		"example.com/bücher/../a%20b\\ü": nil,
	} {
		got := weburl.Spellings(text)
		if !slices.Equal(got, want) {
			t.Errorf("Spellings(%q) = %q, want %q", text, got, want)
		}
	}
	for _, url := range []string{"https://bücher.example/wiki/AC%2FDC – live", "http://user@дом.example/ü?ü#ü"} {
		normal, err := weburl.Normalize(url)
		if got := weburl.Spellings(url); err != nil || !slices.Contains(got, normal) {
			t.Errorf("Spellings(%q) = %q, without %q", url, got, normal)
		}
	}
}

// A spelling is ASCII after its scheme. The one of a path is how the path stands in
// a normalized URL.
func FuzzSpellings(f *testing.F) {
	for _, text := range []string{"bücher", "https://bücher.example/ü", "a/ä?ö#ü", "%zz", "xn--a", "http://", "#?", "{}|", "ﬃ.example"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := weburl.Spellings(text)
		for _, spelling := range all {
			rest := spelling
			if _, after, found := strings.Cut(spelling, "://"); found {
				rest = after
			}
			if spelling == text || strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Errorf("Spellings(%q) = %q", text, all)
			}
		}
		normal, err := weburl.Normalize("https://a.example/" + text)
		if err != nil || weburl.Trim("x"+text) != "x"+text || strings.Contains(text, "://") {
			return
		}
		path := strings.TrimPrefix(normal, "https://a.example/")
		if !slices.Contains(append(all, text), path) && !strings.ContainsAny(text, "\\\t\r\n") && !strings.Contains("/"+text, "/.") && !strings.Contains("/"+text, "/%2") {
			t.Errorf("%q stands as %q in a URL, and Spellings has only %q", text, path, all)
		}
	})
}
