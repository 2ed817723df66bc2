package excerpt_test

import (
	"strings"
	"testing"

	"shotline/client/excerpt"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"60 cm":                               "60 cm",
		"https://user:word@example.com/":      "https://…@example.com/",
		"user:word@example.com":               "…@example.com",
		"https://user:word＠example.com/":      "https://…＠example.com/",
		"https://a:b@c.example/?d=e@f":        "https://…@f",
		"a\xffb":                              "a\ufffdb",
		strings.Repeat("ä", 80):               strings.Repeat("ä", 80),
		strings.Repeat("ä", 81):               strings.Repeat("ä", 80) + "…",
		strings.Repeat("x", 90) + "@a.b/path": "…@a.b/path",
	} {
		if got := excerpt.Of(text); got != want {
			t.Errorf("Of(%q) = %q, want %q", text, got, want)
		}
	}
}
