package weburl

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parts of a URL in which a character stands for itself.
const (
	inHost byte = 1 << iota
	inPath
	inQuery
	inFragment
)

var itself = func() (parts [utf8.RuneSelf]byte) {
	for c := byte('!'); c < 0x7f; c++ {
		parts[c] = inPath | inQuery | inFragment
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			parts[c] |= inHost
		}
	}
	for _, c := range "\"<>" {
		parts[c] = 0
	}
	parts['#'] = inFragment
	parts['`'] = inQuery
	parts['{'], parts['}'], parts['\\'] = inQuery|inFragment, inQuery|inFragment, inQuery|inFragment
	parts['\''] = inPath | inFragment
	return parts
}()

// plain returns the normal form of a URL if its host is an ASCII name or a known
// one, and it has neither a user nor dot segments nor backslashes. Most URLs are
// of this kind, and for them it is much faster than parse. The result is that of
// parse. For other URLs ok is false. A URL that is in normal form is not copied.
func plain(s string) (normal string, ok bool) {
	e := edited{text: s}
	scheme, port := "https://", "443"
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		scheme, port = "http://", "80"
		if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
			return "", false
		}
	}
	if !strings.HasPrefix(s, scheme) {
		e.replace(0, len(scheme), scheme)
	}
	before := e
	rest, ok := e.host(len(scheme))
	if !ok {
		e = before
		if rest, ok = e.knownHost(len(scheme)); !ok {
			return "", false
		}
	}
	if rest < len(s) && s[rest] == ':' {
		if rest, ok = e.port(rest, port); !ok {
			return "", false
		}
	}
	if rest == len(s) || s[rest] == '?' || s[rest] == '#' {
		e.replace(rest, rest, "/")
	} else if s[rest] != '/' {
		return "", false
	}
	if !e.escape(rest) {
		return "", false
	}
	return e.result(), true
}

// edited is a text with replacements.
type edited struct {
	text   string
	begin  []byte // what text[:copied] became
	copied int
}

func (e *edited) replace(from, to int, by string) {
	e.begin = append(e.begin, e.text[e.copied:from]...)
	e.begin = append(e.begin, by...)
	e.copied = to
}

func (e *edited) result() string {
	if e.begin == nil {
		return e.text
	}
	return string(e.begin) + e.text[e.copied:]
}

// host converts the host at the index to lower case and returns its end. ok is
// false if it is not an ASCII name of at least two parts.
func (e *edited) host(start int) (end int, ok bool) {
	label := start
	for i := start; ; i++ {
		var c byte
		if i < len(e.text) {
			c = e.text[i]
		}
		switch {
		case c >= 'A' && c <= 'Z':
			e.replace(i, i+1, string(c|0x20))
			continue
		case c < utf8.RuneSelf && itself[c]&inHost != 0:
			continue
		}
		part := e.text[label:i]
		if part == "" || len(part) > 63 || i-start > 253 || len(part) >= 4 && strings.EqualFold(part[:4], "xn--") {
			return 0, false
		}
		if c == '.' {
			label = i + 1
			continue
		}
		// If the last part begins with a digit, the host can be an IPv4 address.
		letter := part[0]|0x20 >= 'a' && part[0]|0x20 <= 'z'
		ends := i == len(e.text) || strings.IndexByte("/?#:", c) >= 0
		return i, label > start && letter && ends
	}
}

// port removes the port at the index if it is the default one, and returns its
// end. ok is false if it is not a number in normal form.
func (e *edited) port(start int, standard string) (end int, ok bool) {
	end = start + 1
	for end < len(e.text) && e.text[end] >= '0' && e.text[end] <= '9' {
		end++
	}
	digits := e.text[start+1 : end]
	if _, err := strconv.ParseUint(digits, 10, 16); err != nil || digits[0] == '0' {
		return 0, false
	}
	if digits == standard {
		e.replace(start, end, "")
	}
	return end, true
}

// escape percent-encodes characters from the index, where the path begins. It
// reports whether that was possible: it is not with dot segments and backslashes.
func (e *edited) escape(start int) bool {
	part := inPath
	for i := start; i < len(e.text); i++ {
		c := e.text[i]
		switch {
		case c == '#' && part != inFragment:
			part = inFragment
		case c == '?' && part == inPath:
			part = inQuery
		case c == '/' && part == inPath:
			if next := i + 1; next < len(e.text) && (e.text[next] == '.' || strings.HasPrefix(e.text[next:], "%2")) {
				return false
			}
		case c == '\\' && part == inPath:
			return false
		case c < ' ' || c == 0x7f:
			return false
		case c >= utf8.RuneSelf || itself[c]&part == 0:
			e.replace(i, i+1, string([]byte{'%', upperHex[c>>4], upperHex[c&15]}))
		}
	}
	return true
}

const upperHex = "0123456789ABCDEF"
