// Package pageurl parses the URLs of web pages.
package pageurl

import (
	"errors"
	"net/url"
	"regexp"
)

// percentSign matches an escape, or a percent sign that is none.
var percentSign = regexp.MustCompile(`%([0-9A-Fa-f]{2})?`)

// Parse parses a URL in the form that a browser shows. Unlike url.Parse it accepts
// a percent sign that encodes nothing, as in /50%-off, and reads it as %25.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	var escape url.EscapeError
	if !errors.As(err, &escape) {
		return u, err
	}
	return url.Parse(percentSign.ReplaceAllStringFunc(text, func(match string) string {
		if match == "%" {
			return "%25"
		}
		return match
	}))
}
