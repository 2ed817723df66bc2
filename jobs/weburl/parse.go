package weburl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	whatwgerrors "github.com/nlnwa/whatwg-url/errors"
	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/text/unicode/norm"
)

var (
	errTwice = errors.New("the scheme occurs twice")
	errIPv4  = errors.New("bad IPv4 address")
	errIPv6  = errors.New("bad IPv6 address")
	errPort  = errors.New("bad port")
)

// parse returns the normal form of a URL with a scheme. If the scheme was
// guessed, an IPv4 address must have four decimal parts: browsers accept shorter
// forms, but 3.14 in a list is rather a number.
func parse(full string, guessed bool) (string, error) {
	given := givenHost(full)
	if isWeb(given) {
		return "", errTwice
	}
	u, err := whatwg.Parse(full)
	if err != nil {
		return "", reason(err, given)
	}
	host := u.Hostname()
	switch {
	case isWeb(host):
		return "", errTwice
	case strings.HasPrefix(host, "["):
		// The library accepts some texts that are not addresses.
		inner, found := strings.CutSuffix(strings.TrimPrefix(given, "["), "]")
		if addr, err := netip.ParseAddr(inner); !found || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errIPv6
		}
	case isIPv4(host):
		// The library accepts signs before numbers.
		if guessed && given != host || strings.ContainsAny(norm.NFKC.String(unescape(given)), "+-") {
			return "", errIPv4
		}
	default:
		if err := checkHost(host); err != nil {
			return "", err
		}
		knownHosts.add(given, host)
	}
	if u.Port() == "0" {
		return "", errPort
	}
	return u.Href(false), nil
}

// reason returns the cause of a library's error without its text, which contains
// the URL and so perhaps a password. given is the host as it is written.
func reason(err error, given string) error {
	switch whatwgerrors.Type(err) {
	case whatwgerrors.HostMissing:
		return errors.New("no host")
	case whatwgerrors.InvalidCredentials:
		return errors.New("no host after the user")
	case whatwgerrors.PortInvalid, whatwgerrors.PortOutOfRange:
		return errPort
	case whatwgerrors.DomainInvalidCodePoint:
		return hostMustNotContain(whatwgerrors.Description(err))
	case whatwgerrors.DomainToASCII:
		return errors.New("not a valid host name")
	case whatwgerrors.IPv4EmptyPart, whatwgerrors.IPv4TooManyParts, whatwgerrors.IPv4NonNumericPart, whatwgerrors.IPv4OutOfRangePart:
		return errIPv4
	}
	if strings.HasPrefix(given, "[") {
		return errIPv6
	}
	return errors.New("it cannot be parsed")
}

// givenHost returns the host of a URL with a scheme as it is written.
func givenHost(full string) string {
	_, rest, _ := strings.Cut(full, ":")
	rest = strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexByte(rest, ']'); strings.HasPrefix(rest, "[") && end >= 0 {
		if port := strings.IndexByte(rest[end:], ':'); port >= 0 {
			return rest[:end+port]
		}
		return rest
	}
	host, _, _ := strings.Cut(rest, ":")
	return host
}

// isIPv4 reports whether the host of a parsed URL is an IPv4 address. No name
// ends in a number.
func isIPv4(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9' && strings.Trim(host, "0123456789.-") == ""
}

// checkHost checks a name in ASCII. Browsers accept more, but DNS does not.
func checkHost(host string) error {
	if len(host) > 253 {
		return errors.New("host is too long")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" {
			return errors.New("host has an empty part")
		}
		if len(label) > 63 {
			return errors.New("a part of the host is longer than 63 characters")
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
				return hostMustNotContain(string(r))
			}
		}
	}
	return nil
}

func hostMustNotContain(text string) error { return fmt.Errorf("host must not contain %q", text) }

// unescape decodes percent-encoded bytes.
func unescape(host string) string {
	var b strings.Builder
	for i := 0; i < len(host); i++ {
		if c, ok := escaped(host[i:]); ok {
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(host[i])
	}
	return b.String()
}

// escaped returns the byte that s begins with if that is percent-encoded.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
