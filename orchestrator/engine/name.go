package engine

import (
	"context"
	"errors"

	gonanoid "github.com/matoous/go-nanoid/v2"

	"shotline/jobs"
	"shotline/jobs/tasks"
)

// NewID returns a random id for a batch or a worker: ten of [a-z0-9], so that no
// two stores of an account share one.
func NewID() string { return gonanoid.MustGenerate("0123456789abcdefghijklmnopqrstuvwxyz", 10) }

// queueIDLength is long enough that no two stores of a Redis have the same queue.
const queueIDLength = 12

// identified is a store that has an id.
type identified interface {
	Identity(ctx context.Context) (id string, err error)
}

// queue returns the options of the queue. Stores that share one Redis are kept
// apart by the id that each stores. An engine that works on some batches only has
// its own queue, because it must not get tasks of others. So has an engine whose
// store can neither read nor write an id at the moment: other engines find
// pending work in the store.
func (c Config) queue(ctx context.Context, store identified) (tasks.Options, error) {
	options := tasks.Options{RedisURL: c.RedisURL, Callbacks: c.CallbackSlots, Logger: c.Logger, Exclusive: len(c.Batches) > 0}
	id, err := store.Identity(ctx)
	if errors.Is(err, jobs.ErrUnavailable) && ctx.Err() == nil {
		id, err, options.Exclusive = NewID(), nil, true
	}
	if err != nil {
		return options, err
	}
	options.Name = "shotline-" + id[:min(len(id), queueIDLength)]
	if options.Exclusive {
		options.Name += "-" + NewID()
	}
	return options, nil
}
