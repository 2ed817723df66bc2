package chrome

import (
	"errors"
	"fmt"
	"strings"
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
		return fmt.Errorf("%s (%s)", words, text)
	}
	if text == "" {
		return errors.New("the page could not be loaded")
	}
	return fmt.Errorf("the page could not be loaded (%s)", text)
}
