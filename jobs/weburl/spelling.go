package weburl

import (
	"slices"
	"strings"
)

// Spellings returns how a part of a URL looks in the normal form, if it looks
// different: a host is in Punycode there, a path is percent-encoded. A text that
// can be part of either has two spellings: bücher can be xn--bcher-kva and
// b%C3%BCcher. A part of the name of a host is found only if the text contains
// what is between two dots completely.
func Spellings(text string) []string {
	var all []string
	add := func(spelling string, ok bool) {
		if ok && spelling != text && !slices.Contains(all, spelling) {
			all = append(all, spelling)
		}
	}
	scheme, rest, found := strings.Cut(text, "://")
	if found {
		scheme += "://"
	} else {
		scheme, rest = "", text
		add(escapePath(text))
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if host, ok := asciiHost(host); ok {
		path, ok = escapePath(path)
		add(scheme+host+path, ok)
	}
	return all
}

// asciiHost returns the normal form of a part of a host.
func asciiHost(host string) (string, bool) {
	inner := strings.TrimLeft(host, ".")
	if inner == "" {
		return "", false
	}
	normal, err := Normalize("http://" + inner)
	normal, found := strings.CutPrefix(normal, "http://")
	return host[:len(host)-len(inner)] + strings.TrimSuffix(normal, "/"), err == nil && found
}

// escapePath percent-encodes a part of what follows the host.
func escapePath(text string) (string, bool) {
	e := edited{text: text}
	ok := e.escape(0)
	return e.result(), ok
}
