package sandbox

import (
	"regexp"
	"strings"
)

var (
	languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	token       = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

// ValidLanguage reports whether text has the usual form of a language: fr,
// fr-FR, zh-Hant-TW.
func ValidLanguage(text string) bool { return languageTag.MatchString(text) }

// ValidToken reports whether text is what RFC 9110 allows as a header's name.
func ValidToken(text string) bool { return token.MatchString(text) }

// ValidHeaderValue reports whether text has no characters that would end a
// header or be lost in it.
func ValidHeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
