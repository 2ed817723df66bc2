package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Token lets its bearer in. Only the hash of its secret is known.
type Token struct {
	Name  string // [a-z0-9-], whose it is; also the scope of idempotency keys
	Write bool   // else it only reads
	hash  [sha256.Size]byte
}

const (
	tokenPrefix   = "shotline_" // so that secret scanners can find one that got lost
	tokenForm     = "NAME:ro|rw:sha256:HEX"
	maxNameLength = 40
)

// ParseToken reads the form NAME:ro|rw:sha256:HEX. Errors do not repeat what
// may be the secret itself.
func ParseToken(text string) (Token, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 || parts[2] != "sha256" {
		return Token{}, errors.New("want " + tokenForm)
	}
	t := Token{Name: parts[0], Write: parts[1] == "rw"}
	if err := checkName(t.Name); err != nil {
		return Token{}, err
	}
	if parts[1] != "ro" && parts[1] != "rw" {
		return Token{}, fmt.Errorf("token %s: want ro or rw, then sha256 and the hash", t.Name)
	}
	sum, err := hex.DecodeString(parts[3])
	if err != nil || len(sum) != len(t.hash) {
		return Token{}, fmt.Errorf("token %s: want %d hexadecimal digits of the hash", t.Name, 2*len(t.hash))
	}
	copy(t.hash[:], sum)
	return t, nil
}

// NewToken makes a token and the secret that its bearer shows. The secret is
// kept nowhere.
func NewToken(name string, write bool) (t Token, secret string, err error) {
	if err := checkName(name); err != nil {
		return Token{}, "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	return Token{name, write, sha256.Sum256([]byte(secret))}, secret, nil
}

// String is the form that ParseToken reads.
func (t Token) String() string {
	right := "ro"
	if t.Write {
		right = "rw"
	}
	return t.Name + ":" + right + ":sha256:" + hex.EncodeToString(t.hash[:])
}

func checkName(name string) error {
	if name == "" || len(name) > maxNameLength || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("token name: want 1 to %d characters of [a-z0-9-]", maxNameLength)
	}
	return nil
}

// find looks for the token with this secret, in a time that does not depend on
// which one it is.
func findToken(tokens []Token, secret string) (found Token, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
