package sandbox

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is the maximum length of a file name, in bytes.
const maxFilename = 200

// disposition returns the Content-Disposition header for saving a response under
// the given name. It returns "" if no name is given.
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

// safeFilename makes a valid file name from a requested one. It removes folders,
// leading dots and characters that have a meaning in file systems or headers. It
// returns "" if nothing remains.
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
