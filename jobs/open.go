package jobs

import (
	"context"
	"log/slog"
)

// Opener opens a store; the caller closes it. ctx bounds the opening only. An error
// names the store and is ErrUnavailable, ErrCorrupt or ErrNewer.
type Opener func(ctx context.Context, o OpenOptions) (Store, error)

// OpenOptions are the facts about a process that matter to any store. The zero value
// is valid.
type OpenOptions struct {
	Purpose Purpose
	// CacheBytes bounds the memory for cached data of one connection. If it is 0, the
	// store chooses a bound.
	CacheBytes int64
	Logger     *slog.Logger // for trouble that no caller gets as an error; nil: none
}

// Purpose is what a process uses a store for. A store can choose its checks and the
// size of its caches by it.
type Purpose int

// The purposes.
const (
	ForCommand Purpose = iota // a few reads or writes, then Close
	ForImport                 // adding rows, then Close
	ForWork                   // work on the batches, until the process is stopped
)
