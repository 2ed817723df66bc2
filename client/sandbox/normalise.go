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

var errAddress = errors.New("must be an absolute http or https address")

// hosts turns a host into the form in which it is looked up, the way browsers
// do: small letters, xn-- for what is not ASCII.
var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

// normaliseURL brings an address to the form that the browser would show: scheme
// and host in small letters and ASCII, no default port, no dot segments, a slash
// for an empty path, nothing but ASCII in path and query. The vendor's answers
// show the slash; the rest is as far as can be known.
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
	u = u.ResolveReference(u) // without dot segments
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = escapeRest(u.RawQuery)
	return u.String(), nil
}

// normaliseHost returns host and port.
func normaliseHost(u *url.URL) (string, error) {
	host, port := u.Hostname(), u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", errors.New("has a port that is none")
	}
	if net.ParseIP(host) == nil {
		name, err := hosts.ToASCII(host)
		if again, errAgain := hosts.ToASCII(name); err != nil || errAgain != nil || again != name {
			return "", errors.New("has a host that is no name")
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

// escapeRest escapes what may not stand in a query, and leaves alone what is
// escaped already.
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
