package chrome

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"

	"shotline/client/sandbox"
	"shotline/client/sandbox/egress"
)

// reasons says in words what Chromium's network error codes mean. The codes
// are listed in its net/base/net_error_list.h.
var reasons = map[string]string{
	"ERR_ABORTED":                        "the address offers no page to show (a download, or an empty answer)",
	"ERR_ACCESS_DENIED":                  "access to the address was denied",
	"ERR_ADDRESS_UNREACHABLE":            "the server's address cannot be reached",
	"ERR_BLOCKED_BY_CLIENT":              "the address is blocked",
	"ERR_CERT_AUTHORITY_INVALID":         "the certificate is not from a trusted authority",
	"ERR_CERT_COMMON_NAME_INVALID":       "the certificate is for another host",
	"ERR_CERT_DATE_INVALID":              "the certificate has expired or is not valid yet",
	"ERR_CERT_REVOKED":                   "the certificate was revoked",
	"ERR_CONNECTION_ABORTED":             "the connection was aborted",
	"ERR_CONNECTION_CLOSED":              "the server closed the connection without an answer",
	"ERR_CONNECTION_FAILED":              "the connection failed",
	"ERR_CONNECTION_REFUSED":             "the server refused the connection",
	"ERR_CONNECTION_RESET":               "the server reset the connection",
	"ERR_CONNECTION_TIMED_OUT":           "the connection timed out",
	"ERR_EMPTY_RESPONSE":                 "the server sent an empty answer",
	"ERR_FAILED":                         "the page could not be fetched",
	"ERR_HTTP_RESPONSE_CODE_FAILURE":     "the server answered with an error and no page",
	"ERR_INTERNET_DISCONNECTED":          "there is no network connection",
	"ERR_INVALID_AUTH_CREDENTIALS":       "the page asks for a user name and password",
	"ERR_INVALID_URL":                    "the address is not valid",
	"ERR_NAME_NOT_RESOLVED":              "the host name does not exist",
	"ERR_NETWORK_CHANGED":                "the network changed during the request",
	"ERR_SSL_PROTOCOL_ERROR":             "the server does not speak TLS as expected",
	"ERR_SSL_VERSION_OR_CIPHER_MISMATCH": "the server and the browser share no TLS version or cipher",
	"ERR_TIMED_OUT":                      "the server did not answer in time",
	"ERR_TOO_MANY_REDIRECTS":             "the address redirects without end",
	"ERR_UNSAFE_PORT":                    "the port is one that browsers refuse to open",
	"ERR_UNSAFE_REDIRECT":                "the address redirects to where a web page may not go",
}

// loadReason turns the browser's text, such as "net::ERR_NAME_NOT_RESOLVED",
// into a sentence that still carries the code.
func loadReason(text string) error {
	code := strings.TrimPrefix(text, "net::")
	if words, ok := reasons[code]; ok {
		return faultf("%s (%s)", words, text)
	}
	if text == "" {
		return fault("the page could not be loaded")
	}
	return faultf("the page could not be loaded (%s)", text)
}

// unreached says why the page could not be loaded, from the browser's text. Of
// what failed behind the proxy the browser knows only that it failed.
func (r *run) unreached(ctx context.Context, text string) error {
	if !strings.Contains(text, "SOCKS") && !strings.Contains(text, "PROXY") && !strings.Contains(text, "ADDRESS_UNREACHABLE") {
		return loadReason(text)
	}
	tree, err := cdp.Call(ctx, r.target, page.GetFrameTree, cdp.Empty{})
	if err != nil || tree.FrameTree == nil || tree.FrameTree.Frame == nil {
		return loadReason(text)
	}
	u, err := url.Parse(tree.FrameTree.Frame.UnreachableURL)
	if err != nil {
		return loadReason(text)
	}
	why := r.tab.browser.way.LastError(net.JoinHostPort(u.Hostname(), sandbox.PortOf(u)))
	switch {
	case errors.Is(why, egress.ErrPrivate):
		return faultf("%s is not on a public address; pages on private ones are opened only with --allow-private", u.Hostname())
	case errors.Is(why, egress.ErrBlocked):
		return loadReason(errorCode(network.ErrorReasonBlockedByClient))
	case why != nil:
		return loadReason(errorCode(failureReason(why)))
	default:
		return loadReason(text)
	}
}

// failureReason is the browser's name for a network error of Go's.
func failureReason(err error) network.ErrorReason {
	var dns *net.DNSError
	var slow net.Error
	switch {
	case errors.As(err, &dns):
		return network.ErrorReasonNameNotResolved
	case errors.Is(err, syscall.ECONNREFUSED):
		return network.ErrorReasonConnectionRefused
	case errors.Is(err, syscall.ECONNRESET):
		return network.ErrorReasonConnectionReset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return network.ErrorReasonAddressUnreachable
	case errors.As(err, &slow) && slow.Timeout():
		return network.ErrorReasonTimedOut
	default:
		return network.ErrorReasonFailed
	}
}

// errorCode is the text that a page's load fails with for a reason:
// ConnectionRefused is net::ERR_CONNECTION_REFUSED.
func errorCode(reason network.ErrorReason) string {
	var code strings.Builder
	for i, letter := range string(reason) {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			code.WriteByte('_')
		}
		code.WriteRune(letter)
	}
	return "net::ERR_" + strings.ToUpper(code.String())
}
