package sandbox

import (
	"regexp"
	"strings"
)

var (
	languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	token       = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

// ValidLanguage reports whether text looks like a language tag, for example fr,
// fr-FR or zh-Hant-TW.
func ValidLanguage(text string) bool { return languageTag.MatchString(text) }

// ValidToken reports whether text is a valid header name according to RFC 9110.
func ValidToken(text string) bool { return token.MatchString(text) }

// ValidHeaderValue reports whether text has no control characters, which could
// end a header.
func ValidHeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
