package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// key is one secret. Every webhook is verified, so the keyed hash states are
// reused: creating one costs more than hashing a small body.
type key struct {
	states sync.Pool // contains *state
}

type state struct {
	mac hash.Hash
	sum [sha256.Size]byte // a field, because a local variable would escape to the heap when passed to hash.Hash
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
