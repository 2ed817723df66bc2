package api

import (
	"bytes"
	"html"
	"net/http"
	"regexp"
)

// addressPlaceholder stands in the contract for the address at which it is read.
const addressPlaceholder = "http://shotline.invalid"

var (
	plainHost   = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	plainPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)

// prefixOf returns the path prefix that a proxy has removed, if the proxy sends
// it.
func prefixOf(r *http.Request) string {
	prefix := r.Header.Get("X-Forwarded-Prefix")
	if len(prefix) > 200 || !plainPrefix.MatchString(prefix) {
		return ""
	}
	return prefix
}

// addressOf returns the address at which the client reached the API: the host
// that it named, with the scheme and the prefix that a proxy reports. The address
// is used only in texts.
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

// withAddress returns a text with the address in place of the placeholder.
func withAddress(text []byte, r *http.Request) []byte {
	return bytes.ReplaceAll(text, []byte(addressPlaceholder), []byte(html.EscapeString(addressOf(r))))
}

// redirectToDocs redirects the root to the documentation.
func redirectToDocs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", prefixOf(r)+"/docs")
	w.WriteHeader(http.StatusFound)
}
