package sandbox

import (
	"errors"
	"fmt"
	"unicode/utf8"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"shotline/client/pageurl"
)

var errAddress = errors.New("must be an absolute http or https URL")

// normaliseURL converts a URL to the form that a browser shows: scheme and host
// in lower-case ASCII, no default port, no dot segments, a slash for an empty
// path, and only ASCII in path and query. The vendor's responses are known to add
// the slash; the rest is an assumption.
func normaliseURL(raw string) (string, error) {
	if len(raw) > maxURLLength {
		return "", fmt.Errorf("must not be longer than %d bytes", maxURLLength)
	}
	if !utf8.ValidString(raw) {
		return "", errAddress
	}
	parsed, err := whatwg.Parse(raw)
	if err != nil || parsed.Scheme() != "http" && parsed.Scheme() != "https" {
		return "", errAddress
	}
	if parsed.Port() == "0" {
		return "", errors.New("has an invalid port")
	}
	// The library also accepts a few hosts that net/url refuses.
	normal := parsed.Href(false)
	if u, err := pageurl.Parse(normal); err != nil || u.Hostname() == "" {
		return "", errors.New("has an invalid host")
	}
	return normal, nil
}
