package sandbox

import (
	"fmt"
	"strings"
)

// Limits for the request of the page. The vendor documents none.
const (
	maxHeaders  = 50
	maxCookies  = 50
	maxPostData = 64 << 10 // bytes
	maxLine     = 4096     // bytes of a header, cookie, user agent or referer
)

// notForHeaders are the headers that only the browser may set, and Cookie, which
// has its own parameter.
var notForHeaders = map[string]bool{
	"connection": true, "content-length": true, "cookie": true, "expect": true, "host": true, "keep-alive": true,
	"proxy-authorization": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// visit reads how the page is requested.
func (p *params) visit() Visit {
	return Visit{
		Header:    p.headers(),
		Cookies:   p.cookies(),
		Referer:   p.line("referer"),
		PostData:  p.postData(),
		StrictSSL: p.flag("strict_ssl"),
	}
}

// headers reads the header parameter. It can be repeated, and a value can have
// several lines.
func (p *params) headers() []Pair {
	var pairs []Pair
	for _, value := range p.query["header"] {
		found, err := parseHeaders(value)
		if err != nil {
			p.refuse("header", err.Error())
		}
		pairs = append(pairs, found...)
	}
	if len(pairs) > maxHeaders {
		p.refuse("header", fmt.Sprintf("must not have more than %d headers", maxHeaders))
	}
	return pairs
}

func parseHeaders(text string) ([]Pair, error) {
	var pairs []Pair
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found || !ValidToken(name):
			return nil, fmt.Errorf("must look like Name: value")
		case notForHeaders[strings.ToLower(name)]:
			return nil, fmt.Errorf("cannot set %s", name)
		case len(value) > maxLine || !ValidHeaderValue(value):
			return nil, fmt.Errorf("has a value of %s that is too long or has control characters", name)
		}
		pairs = append(pairs, Pair{name, value})
	}
	return pairs, nil
}

// cookies reads the cookie parameter. It can be repeated, and a value can have
// several cookies separated by semicolons.
func (p *params) cookies() []Pair {
	var pairs []Pair
	for _, value := range p.query["cookie"] {
		found, err := parseCookies(value)
		if err != nil {
			p.refuse("cookie", err.Error())
		}
		pairs = append(pairs, found...)
	}
	if len(pairs) > maxCookies {
		p.refuse("cookie", fmt.Sprintf("must not have more than %d cookies", maxCookies))
	}
	return pairs
}

func parseCookies(text string) ([]Pair, error) {
	var pairs []Pair
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found || !ValidToken(name):
			return nil, fmt.Errorf("must look like name=value")
		case len(value) > maxLine || !ValidHeaderValue(value):
			return nil, fmt.Errorf("has a value of %s that is too long or has control characters", name)
		}
		pairs = append(pairs, Pair{name, value})
	}
	return pairs, nil
}

func (p *params) postData() *string {
	values, given := p.query["post_data"]
	if !given || values[0] == "" {
		return nil
	}
	if len(values[0]) > maxPostData {
		p.refuse("post_data", fmt.Sprintf("must not be longer than %d bytes", maxPostData))
	}
	return &values[0]
}

// line reads a text that is used as a header value.
func (p *params) line(name string) string {
	text := strings.TrimSpace(p.query.Get(name))
	if len(text) > maxLine || !ValidHeaderValue(text) {
		p.refuse(name, fmt.Sprintf("must be one line of at most %d bytes without control characters", maxLine))
		return ""
	}
	return text
}
