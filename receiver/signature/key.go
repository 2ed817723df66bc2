package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// key is one secret. Verification is on the way of every webhook, so the keyed
// hash states are kept: setting one up costs more than hashing a small body.
type key struct {
	states sync.Pool // of *state
}

type state struct {
	mac hash.Hash
	sum [sha256.Size]byte // here and not on the stack, where a call through hash.Hash would not leave it
}

func newKey(secret string) *key {
	raw := []byte(secret)
	return &key{states: sync.Pool{New: func() any {
		return &state{mac: hmac.New(sha256.New, raw)}
	}}}
}

// signed reports, in constant time, whether want is the HMAC of body.
func (k *key) signed(want *[sha256.Size]byte, body [][]byte) bool {
	s := k.states.Get().(*state)
	defer k.states.Put(s)
	s.mac.Reset()
	for _, part := range body {
		s.mac.Write(part)
	}
	return hmac.Equal(want[:], s.mac.Sum(s.sum[:0]))
}
