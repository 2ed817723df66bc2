package weburl

import (
	"fmt"
	"strings"
)

func notURL(s string) error { return fmt.Errorf("not a URL: %q", Excerpt(s)) }

// Excerpt shortens a text for an error and removes a possible password.
func Excerpt(s string) string {
	// ＠ is not a separator, but might be meant as one.
	if i := strings.LastIndexAny(s, "@＠"); i >= 0 {
		scheme, _, found := strings.Cut(s[:i], "://")
		if found {
			scheme += "://"
		} else {
			scheme = ""
		}
		s = scheme + "…" + s[i:]
	}
	const limit = 80
	s = strings.ToValidUTF8(s, "\ufffd")
	if n := 0; len(s) > limit {
		for i := range s {
			if n++; n > limit {
				return s[:i] + "…"
			}
		}
	}
	return s
}
