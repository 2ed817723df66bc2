package artifact

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spelled are the letters that have no accent to remove, and how a slug spells
// them.
var spelled = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'þ': "th", 'ı': "i",
}

// slug returns the letters and digits of a text in lower case, with a dash
// between the words. It removes the accents of Latin letters only, because in
// other scripts they make other letters.
func slug(text string) string {
	var b strings.Builder
	gap, latin := false, false // a separator is due; the letter before is Latin
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r):
			if !latin && b.Len() > 0 && !gap {
				b.WriteRune(r)
			}
			continue
		case r == '\'' || r == '’' || unicode.Is(unicode.Cf, r):
			continue // it is inside a word
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			gap = b.Len() > 0
			latin = false
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		latin = unicode.Is(unicode.Latin, r)
		if plain, found := spelled[r]; found {
			b.WriteString(plain)
			continue
		}
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// firstCharacters returns at most n characters of a text, without separators at
// the end of what was cut. A letter and its accents are one character.
func firstCharacters(text string, n int) string {
	text = norm.NFC.String(text)
	for i, r := range text {
		if unicode.Is(unicode.M, r) {
			continue
		}
		if n--; n < 0 {
			return strings.TrimRight(text[:i], separators+".")
		}
	}
	return text
}
