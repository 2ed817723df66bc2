// Package signature verifies that the sender of a webhook knows the secret.
//
// ScreenshotCenter signs a delivery with HMAC-SHA256 over the raw bytes of the
// body and sends the result as
//
//	sha256=<64 lower-case hexadecimal digits>
//
// The header is X-Signature in the vendor's guide and
// X-ScreenshotCenter-Signature on its product page; a workspace might use another
// name. A [Verifier] checks both, and any further headers that are passed to
// [New].
//
// A receiver should verify in two steps. [Verifier.ParseHeader] checks only the
// headers, so that unsigned requests can be refused before their body is read.
// [Signature.Verify] then checks the body. [Verifier.Verify] combines both steps.
//
// There must be exactly one well-formed signature. The errors are:
//
//	no signature header                   ErrMissing
//	a header without a value              ErrMalformed
//	the same header twice                 ErrMalformed
//	two headers with different values     ErrMalformed
//	no prefix, truncated, upper-case      ErrMalformed
//	well-formed, made with another secret
//	or over other bytes                   ErrMismatch
//
// Two different signature headers with the same value count as one signature,
// because a workspace might send both while it changes from one dialect to the
// other.
//
// The signature does not cover a time or an id, so a captured request stays valid
// forever. Receivers must handle repeated deliveries idempotently to be safe
// against replay.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The two documented signature headers.
const (
	HeaderGuide   = "X-Signature"                  // guide and help page
	HeaderProduct = "X-Screenshotcenter-Signature" // product page, in canonical form
)

const prefix = "sha256="

// The errors of Expect and Verify wrap one of these. They never contain the
// signature, the body or a secret.
var (
	ErrMissing   = errors.New("signature missing")
	ErrMalformed = errors.New("signature malformed")
	ErrMismatch  = errors.New("signature does not match")
)

// Verifier checks signatures against one or more secrets. It is safe for
// concurrent use.
type Verifier struct {
	headers []string // in canonical form
	keys    []*key
}

// New returns a Verifier that accepts signatures made with any of the secrets.
// Use several secrets during a rotation. The Verifier reads signatures from the
// two documented headers and from the given ones. New returns an error if there
// are no secrets, if a secret is empty or if a header name is invalid.
func New(secrets []string, headers []string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, errors.New("new signature verifier: no secret")
	}
	v := &Verifier{headers: []string{HeaderGuide, HeaderProduct}}
	for i, secret := range secrets {
		if secret == "" {
			return nil, fmt.Errorf("new signature verifier: secret %d is empty", i+1)
		}
		v.keys = append(v.keys, newKey(secret))
	}
	for _, name := range headers {
		if !validHeaderName(name) {
			return nil, fmt.Errorf("new signature verifier: %q is not a header name", name)
		}
		name = http.CanonicalHeaderKey(name)
		if !slices.Contains(v.headers, name) {
			v.headers = append(v.headers, name)
		}
	}
	return v, nil
}

// Signature is a well-formed signature that has not yet been compared with a body. The
// zero Signature does not match any body. It is safe for concurrent use.
type Signature struct {
	sum  [sha256.Size]byte
	keys []*key
}

// ParseHeader returns the signature from the headers. The error is ErrMissing or
// ErrMalformed if there is not exactly one well-formed signature. ParseHeader does not
// allocate unless it fails.
func (v *Verifier) ParseHeader(h http.Header) (Signature, error) {
	value, err := v.find(h)
	if err != nil {
		return Signature{}, err
	}
	m := Signature{keys: v.keys}
	if !decode(&m.sum, value) {
		return Signature{}, fmt.Errorf("%w: want sha256= and %d lower-case hexadecimal digits", ErrMalformed, 2*sha256.Size)
	}
	return m, nil
}

// Verify returns nil if the signature was made over body with one of the
// Verifier's secrets, otherwise ErrMismatch. The body consists of one or more
// parts. Verify does not allocate.
func (m Signature) Verify(body ...[]byte) error {
	for _, k := range m.keys {
		if k.signed(&m.sum, body) {
			return nil
		}
	}
	return ErrMismatch
}

// Verify returns nil if h contains exactly one signature and it was made over
// body with one of the secrets. Otherwise the error is ErrMissing, ErrMalformed
// or ErrMismatch.
func (v *Verifier) Verify(h http.Header, body []byte) error {
	m, err := v.ParseHeader(h)
	if err != nil {
		return err
	}
	return m.Verify(body)
}

// HasHeader reports whether h has one of the signature headers, with any value.
func (v *Verifier) HasHeader(h http.Header) bool {
	return slices.ContainsFunc(v.headers, func(name string) bool { return len(h[name]) > 0 })
}

// find returns the single signature in the headers.
func (v *Verifier) find(h http.Header) (string, error) {
	var found, in string
	for _, name := range v.headers {
		values := h[name]
		switch {
		case len(values) == 0:
		case len(values) > 1:
			return "", fmt.Errorf("%w: %d %s headers", ErrMalformed, len(values), name)
		case values[0] == "":
			return "", fmt.Errorf("%w: empty %s header", ErrMalformed, name)
		case in == "":
			found, in = values[0], name
		case found != values[0]:
			return "", fmt.Errorf("%w: %s and %s differ", ErrMalformed, in, name)
		}
	}
	if in == "" {
		return "", ErrMissing
	}
	return found, nil
}

// Sign returns the header value that the vendor would send with body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return prefix + hex.EncodeToString(mac.Sum(nil))
}

// decode reads the value of the header. It does not use encoding/hex, which
// accepts upper-case digits that the vendor does not send, and requires the text
// as bytes.
func decode(sum *[sha256.Size]byte, value string) bool {
	digits, found := strings.CutPrefix(value, prefix)
	if !found || len(digits) != 2*sha256.Size {
		return false
	}
	for i := range sum {
		high, ok1 := nibble(digits[2*i])
		low, ok2 := nibble(digits[2*i+1])
		if !ok1 || !ok2 {
			return false
		}
		sum[i] = high<<4 | low
	}
	return true
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// validHeaderName reports whether name is a token as defined in RFC 9110.
func validHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}
