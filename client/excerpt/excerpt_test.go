package excerpt_test

import (
	"strings"
	"testing"
	"unicode/utf8"

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

// An excerpt is short UTF-8, without what stands between the scheme and the last @.
func FuzzOf(f *testing.F) {
	for _, text := range []string{"60 cm", "https://user:word@example.com/", "a@b＠c", "\xff@\xff", strings.Repeat("日", 90) + "@", "://@://@"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := excerpt.Of(text)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 81 {
			t.Errorf("Of(%q) = %q", text, got)
		}
		if at := strings.LastIndexAny(text, "@＠"); at >= 0 {
			scheme, secret, found := strings.Cut(text[:at], "://")
			if !found {
				scheme, secret = "", text[:at]
			}
			kept, _, _ := strings.Cut(got, "…")
			if want := strings.ToValidUTF8(scheme, "\ufffd"); !strings.HasPrefix(want+"://", kept) {
				t.Errorf("Of(%q) = %q, which might contain %q", text, got, secret)
			}
		}
	})
}
