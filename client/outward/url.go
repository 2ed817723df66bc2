package outward

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxURL is the maximum length of a URL in bytes.
const MaxURL = 2048

// CheckURL returns an error if a URL cannot be called later. It does not look up
// the host: the address is checked when the URL is called. The error wraps
// ErrPrivate if the host is not allowed. It does not contain the URL, which might
// be a secret.
func (g *Guard) CheckURL(raw string) error {
	switch {
	case raw == "":
		return errors.New("no URL")
	case len(raw) > MaxURL:
		return fmt.Errorf("URL is longer than %d bytes", MaxURL)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want a URL that begins with https:// or http://")
	case u.Hostname() == "":
		return errors.New("URL without a host")
	case u.User != nil:
		return errors.New("URL with a user or password in it")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("URL with an invalid port")
		}
	}
	return g.checkHost(u)
}

func (g *Guard) checkHost(u *url.URL) error {
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.Zone() != "":
			return errors.New("URL with an address that has a zone")
		case !g.allows(addr):
			return fmt.Errorf("%s is %w", addr, ErrPrivate)
		}
		return nil
	}
	if err := checkName(host); err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	isLocal := name == "localhost" || strings.HasSuffix(name, ".localhost")
	if isLocal && !g.allows(netip.AddrFrom4([4]byte{127, 0, 0, 1})) && !g.allows(netip.IPv6Loopback()) {
		return fmt.Errorf("localhost is %w", ErrPrivate)
	}
	return nil
}

// checkName returns an error if host is not a valid name in ASCII. It also
// refuses names that some resolvers would parse as a hexadecimal, octal or
// shortened address.
func checkName(host string) error {
	if len(host) > 253 {
		return errors.New("URL with a host that is too long")
	}
	last := ""
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 {
			return errors.New("URL with an invalid host name")
		}
		for _, r := range label {
			switch {
			case r >= utf8.RuneSelf:
				return errors.New("URL with a host that contains non-ASCII characters: use its xn-- form")
			case !strings.ContainsRune(nameLetters, r):
				return errors.New("URL with an invalid host name")
			}
		}
		last = label
	}
	if isNumber(last) {
		return errors.New("URL with a host that looks like a number: write an IPv4 address as four decimal numbers")
	}
	return nil
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// isNumber reports whether the WHATWG URL standard parses a host with this last
// label as an IPv4 address.
func isNumber(label string) bool {
	if rest, isHex := strings.CutPrefix(strings.ToLower(label), "0x"); isHex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
