// Package excerpt shortens texts of users for messages.
package excerpt

import "strings"

// limit is the maximum length of an excerpt in characters, without the mark for
// what was removed.
const limit = 80

// Of returns the beginning of a text for an error or a note. If the text might be
// a URL with user and password, it does not contain them. Invalid UTF-8 is
// replaced.
func Of(text string) string {
	// ＠ is not a separator, but might be meant as one.
	if i := strings.LastIndexAny(text, "@＠"); i >= 0 {
		scheme, _, found := strings.Cut(text[:i], "://")
		if found {
			scheme += "://"
		} else {
			scheme = ""
		}
		text = scheme + "…" + text[i:]
	}
	text = strings.ToValidUTF8(text, "\ufffd")
	if n := 0; len(text) > limit {
		for i := range text {
			if n++; n > limit {
				return text[:i] + "…"
			}
		}
	}
	return text
}
