package jobs

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
)

// RerunSpec returns the spec of a batch that repeats the batch b. It has no Key.
func RerunSpec(b Batch, id string) BatchSpec {
	spec := b.BatchSpec
	spec.ID, spec.RerunOf, spec.Key = id, b.ID, Key{}
	return spec
}

// RequestReader reads the requests of a batch.
type RequestReader interface {
	Requests(ctx context.Context, batch string, after int64, limit int) ([]Request, error)
}

// requestPage is the number of requests that Rereader reads at a time.
const requestPage = 500

// Rereader reads all requests of a batch in pages.
type Rereader struct {
	ctx    context.Context
	reader RequestReader
	batch  string
	page   []Request
	read   int64 // rows
}

// NewRereader returns a reader of all requests of a batch.
func NewRereader(ctx context.Context, reader RequestReader, batch string) *Rereader {
	return &Rereader{ctx: ctx, reader: reader, batch: batch}
}

// Next returns the next request, and io.EOF after the last one.
func (r *Rereader) Next() (Request, error) {
	if len(r.page) == 0 {
		var err error
		if r.page, err = r.reader.Requests(r.ctx, r.batch, r.read, requestPage); err != nil {
			return Request{}, err
		}
		if len(r.page) == 0 {
			return Request{}, io.EOF
		}
		r.read += int64(len(r.page))
	}
	next := r.page[0]
	r.page = r.page[1:]
	return next, nil
}

// Named reports whether name is the source of the batch, with or without its
// folder, or one of its tags.
func (b Batch) Named(name string) bool {
	return b.Source == name || path.Base(b.Source) == name || slices.Contains(b.Tags, name)
}

// BatchLister lists batches.
type BatchLister interface {
	Batches(ctx context.Context, before string, limit int) ([]Batch, error)
}

// batchPage is the number of batches that LatestBatch reads at a time.
const batchPage = 500

// LatestBatch returns the newest batch with a name, see Batch.Named. It omits
// batches that are importing. It returns ErrNotFound if there is none.
func LatestBatch(ctx context.Context, lister BatchLister, name string) (Batch, error) {
	for before := ""; ; {
		page, err := lister.Batches(ctx, before, batchPage)
		if err != nil {
			return Batch{}, err
		}
		for _, b := range page {
			if b.State != BatchImporting && b.Named(name) {
				return b, nil
			}
			before = b.ID
		}
		if len(page) == 0 {
			return Batch{}, fmt.Errorf("%w: no batch has the source or the tag %q", ErrNotFound, name)
		}
	}
}
