package sandbox

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is the longest name of a download, in bytes.
const maxFilename = 200

// disposition is the header that has a browser save an answer under the given
// name; empty when none is given.
func disposition(given, fallback string) string {
	if given == "" {
		return ""
	}
	name := safeFilename(given)
	if name == "" {
		name = fallback
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// safeFilename makes a file's name out of what a caller asked for: without
// folders, without characters that file systems or headers give a meaning to,
// and not hidden. It is empty when nothing is left.
func safeFilename(given string) string {
	given = strings.ToValidUTF8(given, "")
	if i := strings.LastIndexAny(given, `/\`); i >= 0 {
		given = given[i+1:]
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, given)
	for len(name) > maxFilename {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.Trim(name, ". ")
}
