package chrome

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"

	"shotline/client/pageurl"
	"shotline/client/sandbox"
	"shotline/client/sandbox/egress"
)

// loadErrors explains Chromium's network error codes, which are listed in its
// net/base/net_error_list.h.
var loadErrors = map[string]string{
	"ERR_ABORTED":                        "the address returned no page (a download or an empty response)",
	"ERR_ACCESS_DENIED":                  "access to the URL was denied",
	"ERR_ADDRESS_UNREACHABLE":            "the server's address cannot be reached",
	"ERR_BLOCKED_BY_CLIENT":              "the address is blocked",
	"ERR_CERT_AUTHORITY_INVALID":         "the certificate is not from a trusted authority",
	"ERR_CERT_COMMON_NAME_INVALID":       "the certificate is for another host",
	"ERR_CERT_DATE_INVALID":              "the certificate has expired or is not valid yet",
	"ERR_CERT_REVOKED":                   "the certificate was revoked",
	"ERR_CONNECTION_ABORTED":             "the connection was aborted",
	"ERR_CONNECTION_CLOSED":              "the server closed the connection without a response",
	"ERR_CONNECTION_FAILED":              "the connection failed",
	"ERR_CONNECTION_REFUSED":             "the server refused the connection",
	"ERR_CONNECTION_RESET":               "the server reset the connection",
	"ERR_CONNECTION_TIMED_OUT":           "the connection timed out",
	"ERR_EMPTY_RESPONSE":                 "the server sent an empty response",
	"ERR_FAILED":                         "the page could not be fetched",
	"ERR_HTTP_RESPONSE_CODE_FAILURE":     "the server responded with an error and no page",
	"ERR_INTERNET_DISCONNECTED":          "there is no network connection",
	"ERR_INVALID_AUTH_CREDENTIALS":       "the page requires a user name and password",
	"ERR_INVALID_URL":                    "the URL is not valid",
	"ERR_NAME_NOT_RESOLVED":              "the host name does not exist",
	"ERR_NETWORK_CHANGED":                "the network changed during the request",
	"ERR_SSL_PROTOCOL_ERROR":             "the TLS handshake with the server failed",
	"ERR_SSL_VERSION_OR_CIPHER_MISMATCH": "the server and the browser have no common TLS version or cipher",
	"ERR_TIMED_OUT":                      "the server did not respond in time",
	"ERR_TOO_MANY_REDIRECTS":             "the URL redirects endlessly",
	"ERR_UNSAFE_PORT":                    "browsers refuse to connect to this port",
	"ERR_UNSAFE_REDIRECT":                "the URL redirects to a target that a web page must not open",
}

// loadReason returns an error that explains the browser's error text, such as
// "net::ERR_NAME_NOT_RESOLVED", and contains it.
func loadReason(text string) error {
	code := strings.TrimPrefix(text, "net::")
	if words, ok := loadErrors[code]; ok {
		return userErrorf("%s (%s)", words, text)
	}
	if text == "" {
		return userError("the page could not be loaded")
	}
	return userErrorf("the page could not be loaded (%s)", text)
}

// explainLoadError returns an error that states why the page could not be loaded,
// from the browser's error text. For errors behind the proxy the browser knows no
// cause, so the cause comes from the proxy.
func (r *run) explainLoadError(ctx context.Context, text string) error {
	if !strings.Contains(text, "SOCKS") && !strings.Contains(text, "PROXY") && !strings.Contains(text, "ADDRESS_UNREACHABLE") {
		return loadReason(text)
	}
	tree, err := cdp.Call(ctx, r.target, page.GetFrameTree, cdp.Empty{})
	if err != nil || tree.FrameTree == nil || tree.FrameTree.Frame == nil {
		return loadReason(text)
	}
	u, err := pageurl.Parse(tree.FrameTree.Frame.UnreachableURL)
	if err != nil {
		return loadReason(text)
	}
	cause := r.tab.browser.proxy.LastError(net.JoinHostPort(u.Hostname(), sandbox.PortOf(u)))
	switch {
	case errors.Is(cause, egress.ErrPrivate):
		return userErrorf("%s has no public address; private addresses are only opened with --allow-private", u.Hostname())
	case errors.Is(cause, egress.ErrBlocked):
		return loadReason(errorCode(network.ErrorReasonBlockedByClient))
	case cause != nil:
		return loadReason(errorCode(failureReason(cause)))
	default:
		return loadReason(text)
	}
}

// failureReason returns the browser's name for a network error.
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

// errorCode returns the browser's error text for a reason. For example,
// ConnectionRefused becomes net::ERR_CONNECTION_REFUSED.
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
