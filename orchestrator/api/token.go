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

// Token allows access to the API. It holds only the hash of its secret.
type Token struct {
	Name  string // [a-z0-9-], names the owner; also the scope of idempotency keys
	Write bool   // false: read-only
	hash  [sha256.Size]byte
}

const (
	tokenPrefix   = "shotline_" // so that secret scanners can find a lost token
	tokenForm     = "NAME:ro|rw:sha256:HEX"
	maxNameLength = 40
)

// ParseToken parses NAME:ro|rw:sha256:HEX. Its errors do not repeat the text,
// which might be the secret itself.
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

// NewToken returns a new token and the secret that its owner sends. The secret is
// not stored.
func NewToken(name string, write bool) (t Token, secret string, err error) {
	if err := checkName(name); err != nil {
		return Token{}, "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	return Token{name, write, sha256.Sum256([]byte(secret))}, secret, nil
}

// String returns the text that ParseToken parses.
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

// findToken returns the token with this secret. The time it takes does not depend
// on which token matches.
func findToken(tokens []Token, secret string) (found Token, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
