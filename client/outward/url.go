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

// MaxURL is the length of the longest URL taken, in bytes.
const MaxURL = 2048

// CheckURL says what is wrong with a URL that is to be called later, nil when
// nothing is. It looks nothing up: what a name resolves to is checked when it
// is called. Errors wrap ErrPrivate where that is the reason, and do not repeat
// the URL, which may hold a secret.
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
			return errors.New("URL with a port that is none")
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
		case !g.open(addr):
			return fmt.Errorf("%s is %w", addr, ErrPrivate)
		}
		return nil
	}
	if err := checkName(host); err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	isLocal := name == "localhost" || strings.HasSuffix(name, ".localhost")
	if isLocal && !g.open(netip.AddrFrom4([4]byte{127, 0, 0, 1})) && !g.open(netip.IPv6Loopback()) {
		return fmt.Errorf("localhost is %w", ErrPrivate)
	}
	return nil
}

// checkName takes a host name in the form in which it is looked up. What some
// resolvers would read as a number, hexadecimal, octal or short, is refused.
func checkName(host string) error {
	if len(host) > 253 {
		return errors.New("URL with a host that is too long")
	}
	last := ""
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 {
			return errors.New("URL with a host that is no name")
		}
		for _, r := range label {
			switch {
			case r >= utf8.RuneSelf:
				return errors.New("URL with a host in letters beyond ASCII: write it in its xn-- form")
			case !strings.ContainsRune(nameLetters, r):
				return errors.New("URL with a host that is no name")
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

// isNumber is when the WHATWG's rules take a host for an IPv4 address.
func isNumber(label string) bool {
	if rest, isHex := strings.CutPrefix(strings.ToLower(label), "0x"); isHex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
