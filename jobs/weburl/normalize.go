package weburl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the maximum length of a URL in bytes.
const MaxLength = 8192

// Normalize returns the URL that a browser would open for text, in the form in
// which URLs are compared and sent, or an error if text is not the address of a
// web page:
//
//   - Spaces and invisible characters at the ends are removed, and angle brackets
//     around the URL.
//   - A host without a scheme, such as example.com/path, gets the prefix https://,
//     or http:// if the port is 80.
//   - Scheme and host become lower-case, the host becomes ASCII (Punycode), a
//     default port is removed, an empty path becomes /, backslashes become
//     slashes, and dot segments are resolved.
//   - Characters that are invalid in a URL are percent-encoded. What is
//     percent-encoded already stays so, because /AC%2FDC and /AC/DC are different
//     pages. A percent sign that encodes nothing stays too.
//   - Query, fragment (single-page applications depend on it) and user
//     information are kept.
//
// Normalizing the result again does not change it. Errors do not contain the
// password of a URL.
func Normalize(text string) (string, error) {
	s := trim(text)
	switch {
	case s == "":
		return "", errors.New("no URL")
	case len(s) > MaxLength:
		return "", errTooLong
	case !utf8.ValidString(s):
		return "", errors.New("URL is not valid UTF-8")
	}
	s, err := joinLines(s)
	if err != nil {
		return "", err
	}
	full, guessed, err := withScheme(s)
	if err != nil {
		return "", err
	}
	normal, ok := plain(full)
	if !ok {
		if normal, err = parse(full, guessed); err != nil {
			return "", fmt.Errorf("%w: %w", notURL(s), err)
		}
	}
	if len(normal) > MaxLength {
		return "", errTooLong
	}
	return normal, nil
}

var errTooLong = fmt.Errorf("URL is longer than %d bytes", MaxLength)

// joinLines removes tabs and line breaks, as browsers do: they are where a program
// wrapped a long URL. It returns an error if the text can also be read as several
// lines of which one is the URL, and for other control characters, which browsers
// keep but nobody means.
func joinLines(s string) (string, error) {
	at := strings.IndexFunc(s, unicode.IsControl)
	if at < 0 {
		return s, nil
	}
	breaks := func(r rune) bool { return r == '\t' || r == '\n' || r == '\r' }
	for _, r := range s {
		if unicode.IsControl(r) && !breaks(r) {
			return "", fmt.Errorf("URL contains control characters: %U", r)
		}
	}
	parts := strings.FieldsFunc(s, breaks)
	joined := strings.Join(parts, "")
	if scheme, _, _ := strings.Cut(joined, ":"); !isWeb(scheme) || strings.Contains(s, " ") {
		return "", errors.New("URL contains control characters: a tab or line break")
	}
	for _, part := range parts[1:] {
		if beginsURL(part) {
			return "", errors.New("more than one URL, with a tab or line break between them")
		}
	}
	return joined, nil
}

// beginsURL reports whether a part of a text is certainly a URL of its own.
func beginsURL(part string) bool {
	part = strings.ToLower(trim(part))
	return strings.HasPrefix(part, "http://") || strings.HasPrefix(part, "https://") || strings.HasPrefix(part, "www.")
}
