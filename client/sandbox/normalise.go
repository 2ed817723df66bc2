package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

var errAddress = errors.New("must be an absolute http or https URL")

// hosts converts a host to the form in which browsers look it up: lower case, and
// xn-- labels for non-ASCII names.
var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

// normaliseURL converts a URL to the form that a browser shows: scheme and host
// in lower-case ASCII, no default port, no dot segments, a slash for an empty
// path, and only ASCII in path and query. The vendor's responses are known to add
// the slash; the rest is an assumption.
func normaliseURL(raw string) (string, error) {
	if len(raw) > maxURLLength {
		return "", fmt.Errorf("must not be longer than %d bytes", maxURLLength)
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || !utf8.ValidString(raw) || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", errAddress
	}
	if u.Host, err = normaliseHost(u); err != nil {
		return "", err
	}
	u = u.ResolveReference(u) // removes dot segments
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = escapeRest(u.RawQuery)
	return u.String(), nil
}

// normaliseHost returns the normalized host and port.
func normaliseHost(u *url.URL) (string, error) {
	host, port := u.Hostname(), u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", errors.New("has an invalid port")
	}
	if net.ParseIP(host) == nil {
		name, err := hosts.ToASCII(host)
		if again, errAgain := hosts.ToASCII(name); err != nil || errAgain != nil || again != name {
			return "", errors.New("has an invalid host")
		}
		host = name
	}
	if strings.Contains(host, ":") {
		host = "[" + strings.ToLower(host) + "]"
	}
	if port == "" || port == PortOf(&url.URL{Scheme: u.Scheme}) {
		return host, nil
	}
	return host + ":" + port, nil
}

// escapeRest escapes the characters that are not valid in a query. Existing
// escapes stay unchanged.
func escapeRest(query string) string {
	var escaped strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>`, c) >= 0 {
			fmt.Fprintf(&escaped, "%%%02X", c)
			continue
		}
		escaped.WriteByte(c)
	}
	return escaped.String()
}
