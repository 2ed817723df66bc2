package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"shotline/client"
)

// eachBatch calls do for every batch, in the order of their ids. A batch that
// fails does not stop the others, unless they would fail with the same error.
func eachBatch[T any](ctx context.Context, step string, batches map[string]T, do func(batch string, of T) error) error {
	var failures []error
	for _, batch := range slices.Sorted(maps.Keys(batches)) {
		err := do(batch, batches[batch])
		if err != nil {
			failures = append(failures, fmt.Errorf("%s of batch %s: %w", step, batch, err))
		}
		if stopsAll(ctx, err) {
			break
		}
	}
	return errors.Join(failures...)
}

// stopsAll reports whether further queries are useless after an error: the key is
// refused or missing, the vendor limits our rate or is not reached, or ctx has
// ended.
func stopsAll(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	var limited *client.RateLimitError
	var call *client.CallError
	return ctx.Err() != nil || errors.Is(err, client.ErrUnauthorized) || errors.Is(err, ErrNoKey) || errors.Is(err, errStopped) || errors.As(err, &limited) || errors.As(err, &call)
}
