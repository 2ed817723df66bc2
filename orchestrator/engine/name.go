package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	gonanoid "github.com/matoous/go-nanoid/v2"

	"shotline/jobs/tasks"
)

// NewID makes an id of a batch or a worker: ten of [a-z0-9], which no two
// databases of an account will share.
func NewID() string { return gonanoid.MustGenerate("0123456789abcdefghijklmnopqrstuvwxyz", 10) }

// queue says where tasks wait. An engine that works on some batches only has a
// queue of its own: it must not be handed tasks of others.
func (c Config) queue() tasks.Options {
	options := tasks.Options{RedisURL: c.RedisURL, Name: queueName(c.Database), Callbacks: c.CallbackSlots, Logger: c.Logger}
	if len(c.Batches) > 0 {
		options.Name, options.Own = options.Name+"-"+NewID(), true
	}
	return options
}

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
