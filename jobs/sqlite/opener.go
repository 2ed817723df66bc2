package sqlite

import (
	"context"

	"shotline/jobs"
)

// importCache is in KiB. It is small because an import does not read again the
// pages that it has filled.
const importCache = 4 << 10

// Opener returns a function that opens the store at path with Open. If the store
// is opened for work, the function adds WithCheck. opts are applied after the
// options that follow from jobs.OpenOptions.
func Opener(path string, opts ...Option) jobs.Opener {
	return func(ctx context.Context, o jobs.OpenOptions) (jobs.Store, error) {
		store, err := Open(ctx, path, append(optionsOf(o), opts...)...)
		if err != nil {
			return nil, err // returning the nil *Store would make a non-nil interface
		}
		return store, nil
	}
}

func optionsOf(o jobs.OpenOptions) []Option {
	var options []Option
	if o.Logger != nil {
		options = append(options, WithLogger(o.Logger))
	}
	switch o.Purpose {
	case jobs.ForWork:
		options = append(options, WithCheck())
	case jobs.ForImport:
		options = append(options, WithCache(importCache))
	case jobs.ForCommand:
	}
	if o.CacheBytes > 0 {
		options = append(options, WithCache(int(o.CacheBytes>>10)))
	}
	return options
}
