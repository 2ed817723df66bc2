package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	gonanoid "github.com/matoous/go-nanoid/v2"
)

// NewID makes an id of a batch or a worker: ten of [a-z0-9], which no two
// databases of an account will share.
func NewID() string { return gonanoid.MustGenerate("0123456789abcdefghijklmnopqrstuvwxyz", 10) }

// queueName keeps databases that share one Redis apart.
func queueName(database string) string {
	if abs, err := filepath.Abs(database); err == nil {
		database = abs
	}
	if real, err := filepath.EvalSymlinks(database); err == nil {
		database = real
	}
	sum := sha256.Sum256([]byte(database))
	return "shotline-" + hex.EncodeToString(sum[:6])
}
