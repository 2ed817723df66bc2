package callback

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secretPrefix = "whsec_"
	// Lengths in bytes. Standard Webhooks specifies the limits.
	minSecret, maxSecret = 24, 64
	newSecretLen         = 32
)

// NewSecret returns a new secret for signing callbacks: whsec_ and base64.
func NewSecret() string {
	key := make([]byte, newSecretLen)
	_, _ = rand.Read(key) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// signer signs with all secrets, so that they can be rotated one after the other.
type signer []*standardwebhooks.Webhook

// newSigner parses secrets. Errors do not contain them.
func newSigner(secrets []string) (signer, error) {
	var s signer
	for _, secret := range secrets {
		encoded, found := strings.CutPrefix(secret, secretPrefix)
		if !found {
			return nil, errors.New("a secret that does not begin with " + secretPrefix)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("a secret that is not base64 after %s", secretPrefix)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("a secret of %d bytes: want %d to %d", len(key), minSecret, maxSecret)
		}
		w, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, errors.New("a secret that cannot be used")
		}
		s = append(s, w)
	}
	return s, nil
}

// sign sets the headers of Standard Webhooks. The id is the same at every
// attempt, while at is the time of this attempt.
func (s signer) sign(header http.Header, id string, at time.Time, body []byte) error {
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	signatures := make([]string, len(s))
	for i, secret := range s {
		var err error
		if signatures[i], err = secret.Sign(id, at, body); err != nil {
			return err
		}
	}
	if len(signatures) > 0 {
		header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return nil
}
