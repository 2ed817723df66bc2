package engine

import (
	"context"
	"errors"

	gonanoid "github.com/matoous/go-nanoid/v2"

	"shotline/jobs"
	"shotline/jobs/tasks"
)

// NewID makes an id of a batch or a worker: ten of [a-z0-9], which no two
// databases of an account will share.
func NewID() string { return gonanoid.MustGenerate("0123456789abcdefghijklmnopqrstuvwxyz", 10) }

// queueIDLength is long enough that no two databases of a Redis are alike.
const queueIDLength = 12

// identified is a store with an id of its own.
type identified interface {
	Identity(ctx context.Context) (id string, err error)
}

// queue says where tasks wait. Databases that share one Redis are kept apart by the
// id that each keeps. An engine that works on some batches only has a queue of its
// own: it must not be handed tasks of others. So has one whose store can neither read
// nor write an id at the moment: others find what is owed in the store.
func (c Config) queue(ctx context.Context, store identified) (tasks.Options, error) {
	options := tasks.Options{RedisURL: c.RedisURL, Callbacks: c.CallbackSlots, Logger: c.Logger, Own: len(c.Batches) > 0}
	id, err := store.Identity(ctx)
	if errors.Is(err, jobs.ErrUnavailable) && ctx.Err() == nil {
		id, err, options.Own = NewID(), nil, true
	}
	if err != nil {
		return options, err
	}
	options.Name = "shotline-" + id[:min(len(id), queueIDLength)]
	if options.Own {
		options.Name += "-" + NewID()
	}
	return options, nil
}
