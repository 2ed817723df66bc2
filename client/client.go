package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// DefaultBaseURL is the vendor's documented API address.
const DefaultBaseURL = "https://api.screenshotcenter.com/api/v1"

const (
	defaultTimeout     = 15 * time.Second
	defaultConnections = 256
	defaultUserAgent   = "shotline"
)

// DialFunc opens a network connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Client calls the API. It is safe for concurrent use. The zero value is not
// usable; use [New].
type Client struct {
	base       *url.URL
	key        string
	keyPattern *regexp.Regexp // matches the key, escaped or not
	userAgent  string
	timeout    time.Duration
	now        func() time.Time
	transport  *http.Transport
	downloads  *http.Client
}

type settings struct {
	key         string
	baseURL     string
	timeout     time.Duration
	userAgent   string
	connections int
	dial        DialFunc
	now         func() time.Time
}

// Option changes a setting of a new Client.
type Option func(*settings)

// WithAPIKey sets the API key. It is required.
func WithAPIKey(key string) Option { return func(s *settings) { s.key = key } }

// WithBaseURL replaces [DefaultBaseURL]. The endpoints are appended to its path.
// It must not contain credentials, a query or a fragment.
func WithBaseURL(base string) Option { return func(s *settings) { s.baseURL = base } }

// WithTimeout limits the duration of each request, from waiting for a connection
// to the last byte of the response (default 15 s). For downloads it limits the
// wait for the headers, and then each read of the body.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithUserAgent sets the User-Agent header (default "shotline").
func WithUserAgent(ua string) Option { return func(s *settings) { s.userAgent = ua } }

// WithMaxConnections sets the maximum number of open connections, both busy and
// idle (default 256). Further calls wait until a connection is free.
func WithMaxConnections(n int) Option { return func(s *settings) { s.connections = n } }

// WithDialContext replaces the dial function. It is meant for tests.
func WithDialContext(dial DialFunc) Option { return func(s *settings) { s.dial = dial } }

// WithClock replaces time.Now, which is used only to convert a date in
// Retry-After into a delay.
func WithClock(now func() time.Time) Option { return func(s *settings) { s.now = now } }

// New returns a Client. It returns an error if the key is missing or is not valid
// in a header, or if the base URL or another setting is invalid. It does not open
// a connection.
func New(opts ...Option) (*Client, error) {
	s := settings{
		baseURL:     DefaultBaseURL,
		timeout:     defaultTimeout,
		userAgent:   defaultUserAgent,
		connections: defaultConnections,
		dial:        (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		now:         time.Now,
	}
	for _, opt := range opts {
		opt(&s)
	}
	if s.key == "" {
		return nil, errors.New("new client: the API key is missing")
	}
	if !printable(s.key, false) {
		return nil, errors.New("new client: the API key contains a space, a control or a non-ASCII character")
	}
	if !printable(s.userAgent, true) {
		return nil, errors.New("new client: the user agent contains a control or a non-ASCII character")
	}
	if s.timeout <= 0 {
		return nil, fmt.Errorf("new client: the timeout must be positive, not %s", s.timeout)
	}
	if s.connections <= 0 {
		return nil, fmt.Errorf("new client: the number of connections must be positive, not %d", s.connections)
	}
	base, err := parseBase(s.baseURL)
	if err != nil {
		return nil, fmt.Errorf("new client: %w", err)
	}
	c := &Client{
		base:       base,
		key:        s.key,
		keyPattern: keyPattern(s.key),
		userAgent:  s.userAgent,
		timeout:    s.timeout,
		now:        s.now,
		transport:  newTransport(s.dial, s.connections),
	}
	c.downloads = &http.Client{Transport: c.transport, CheckRedirect: c.checkRedirect}
	return c, nil
}

// CloseIdleConnections closes connections that are not in use. The Client can
// still be used.
func (c *Client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// String omits the key, so that logging a Client does not reveal it.
func (c *Client) String() string { return "ScreenshotCenter client for " + c.base.Host }

// GoString returns String, so that %#v does not reveal the key either.
func (c *Client) GoString() string { return c.String() }

func newTransport(dial DialFunc, connections int) *http.Transport {
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         countWrites(dial),
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     connections,
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		// Servers commonly close idle connections after 60 s or more. Closing them
		// earlier makes it unlikely that a create uses a connection that the server
		// is about to close.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// proxy returns the proxy from HTTPS_PROXY and related variables. Its error does
// not quote the address, because the address might contain a password.
func proxy(req *http.Request) (*url.URL, error) {
	address, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("the proxy address in the environment cannot be parsed")
	}
	return address, nil
}

// parseBase parses a base URL. Its errors do not quote the text, because the user
// might have pasted a secret into it.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case text != strings.TrimSpace(text):
		return nil, errors.New("the base URL has space or a line end around it")
	case !strings.Contains(text, "://"):
		return nil, errors.New("the base URL has no scheme: begin it with https:// or http://")
	case err != nil:
		return nil, errors.New("the base URL cannot be parsed: " + badPart(text))
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("the base URL must start with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("the base URL has no host")
	case base.User != nil:
		return nil, errors.New("the base URL must not contain credentials; the key goes into a header")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, errors.New("the base URL must not contain a query or a fragment; the key goes into a header")
	}
	if base.Path == "" {
		base.Path = "/" // otherwise JoinPath returns a relative path
	}
	return base, nil
}

// badPart describes the invalid part of an address without quoting it.
func badPart(text string) string {
	if !printable(text, false) {
		return "it contains a space, a control or a non-ASCII character"
	}
	scheme, rest, _ := strings.Cut(text, "://")
	if _, err := url.Parse(scheme + "://host"); err != nil {
		return "the text before :// is not a scheme such as https"
	}
	host, _, _ := strings.Cut(rest, "/")
	if _, err := url.Parse("https://" + host); err != nil {
		return "want HOST or HOST:PORT after ://"
	}
	return "its path contains a % that is not part of an escape"
}

func printable(s string, space bool) bool {
	for i := range len(s) {
		if s[i] <= ' ' && (s[i] != ' ' || !space) || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
