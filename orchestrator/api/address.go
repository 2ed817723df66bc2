package api

import (
	"bytes"
	"html"
	"net/http"
	"regexp"
)

// placeholder stands in the contract for the address that it is read at.
const addressPlaceholder = "http://shotline.invalid"

var (
	plainHost   = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	plainPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)

// prefixOf is the path that a proxy has taken off before it asked us, if it says so.
func prefixOf(r *http.Request) string {
	prefix := r.Header.Get("X-Forwarded-Prefix")
	if len(prefix) > 200 || !plainPrefix.MatchString(prefix) {
		return ""
	}
	return prefix
}

// addressOf is where whoever asks has found the API: the host that they named, with
// what a proxy tells of its side. It goes into text alone.
func addressOf(r *http.Request) string {
	host := r.Host
	if !plainHost.MatchString(host) {
		host = "localhost"
	}
	scheme := "http"
	if proto := r.Header.Get("X-Forwarded-Proto"); r.TLS != nil || proto == "https" {
		scheme = "https"
	}
	return scheme + "://" + host + prefixOf(r)
}

// addressed is a text with the address in it.
func withAddress(text []byte, r *http.Request) []byte {
	return bytes.ReplaceAll(text, []byte(addressPlaceholder), []byte(html.EscapeString(addressOf(r))))
}

// toDocs leads from the root to the page for people.
func redirectToDocs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", prefixOf(r)+"/docs")
	w.WriteHeader(http.StatusFound)
}
