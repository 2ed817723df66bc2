package weburl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"shotline/client/excerpt"
)

// isWeb reports whether scheme is http or https.
func isWeb(scheme string) bool {
	scheme = strings.ToLower(scheme) // EqualFold takes ſ for s
	return scheme == "http" || scheme == "https"
}

// withScheme returns s with a scheme, and whether it was missing. It returns an
// error if s has another scheme or cannot begin with a host.
func withScheme(s string) (full string, guessed bool, err error) {
	scheme, rest, found := strings.Cut(s, ":")
	if found && isWeb(scheme) {
		if len(rest)-len(strings.TrimLeft(rest, `/\`)) < 2 {
			return "", false, fmt.Errorf("%w: want two slashes after %q", notURL(s), strings.ToLower(scheme)+":")
		}
		return s, false, nil
	}
	if found && strings.HasPrefix(rest, "//") && !strings.ContainsAny(scheme, `/\?#`) {
		return "", false, fmt.Errorf("%w: only http and https are supported", notURL(s))
	}
	bare := strings.TrimPrefix(s, "//")
	authority := bare
	if i := strings.IndexAny(bare, `/\?#`); i >= 0 {
		authority = bare[:i]
	}
	port, err := checkBare(authority)
	if err != nil && bare == s {
		return "", false, fmt.Errorf("%w: %w", notURL(s), err)
	}
	if port == "80" {
		return "http://" + bare, true, nil
	}
	return "https://" + bare, true, nil
}

// checkBare returns the port of an authority without a scheme. It returns an error
// if the text is rather something else than a host.
func checkBare(authority string) (port string, err error) {
	host, port, hasPort := strings.Cut(authority, ":")
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		port, _ = strings.CutPrefix(authority[end+1:], ":")
		return strings.TrimLeft(port, "0"), nil
	}
	named := strings.ContainsAny(host, ".。．｡") || strings.EqualFold(host, "localhost")
	switch {
	case strings.Contains(authority, "@"):
		return "", errors.New("it looks like an e-mail address")
	case hasPort:
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("only http and https are supported") // mailto:, javascript: or a drive letter
		}
		if !named { // tel:911
			return "", fmt.Errorf("only http and https are supported; if %s is a host, write http:// before it", strconv.Quote(excerpt.Of(host)))
		}
	case isWeb(host):
		return "", fmt.Errorf("want %s://", strings.ToLower(host))
	case !named:
		return "", errors.New("it is neither a host nor a URL with a scheme")
	}
	return strings.TrimLeft(port, "0"), nil
}
