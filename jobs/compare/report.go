package compare

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync"

	"shotline/jobs"
)

// Report says how two batches differ.
type Report struct {
	A, B        jobs.Batch
	By          string
	OtherParams []string // parameters of the whole batches that differ
	Counts      Counts

	src    Source
	pairs  []pair
	looks  *looks
	mu     sync.Mutex // of looks, looked and the pairs, while pairs are looked at
	looked int64
}

// Change is a pair of rows that differ, or a row without a counterpart.
type Change struct {
	Kinds []Kind
	A, B  *jobs.Job // nil if the row is only in the other batch
	Look  Look
}

// Has reports whether the change is of a kind.
func (c Change) Has(kind Kind) bool {
	for _, k := range c.Kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// Job returns the row in the second batch, or in the first if it is only there.
func (c Change) Job() jobs.Job {
	if c.B != nil {
		return *c.B
	}
	return *c.A
}

// Changes returns all changes, the largest first.
func (r *Report) Changes(ctx context.Context) iter.Seq2[Change, error] { return r.changesFrom(ctx, 0) }

// Len returns the number of changes.
func (r *Report) Len() int { return len(r.pairs) }

// changesFrom returns the changes from the one with this number on.
func (r *Report) changesFrom(ctx context.Context, first int) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		rowsA, rowsB := newRowReader(r.src, r.A.ID), newRowReader(r.src, r.B.ID)
		read := func(p pair) (c Change, err error) {
			c.Kinds = p.kinds.kinds()
			for _, side := range []struct {
				rows *rowReader
				row  uint32
				job  **jobs.Job
			}{{rowsA, p.a, &c.A}, {rowsB, p.b, &c.B}} {
				if side.row == 0 {
					continue
				}
				j, err := side.rows.job(ctx, side.row)
				if err != nil {
					return c, err
				}
				*side.job = &j
			}
			if p.look >= 0 {
				c.Look, err = r.looks.read(p.look)
			}
			return c, err
		}
		for _, p := range r.pairs[min(first, len(r.pairs)):] {
			c, err := read(p)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Close removes the temporary file of the report.
func (r *Report) Close() error {
	if r.looks == nil {
		return nil
	}
	return r.looks.close()
}

// looks keeps looks in a temporary file, so that they need no memory.
type looks struct {
	file *os.File
	size int64
}

// maxLook is the largest length of a look in bytes.
const maxLook = 1 << 20

func newLooks(folder string) (*looks, error) {
	file, err := os.CreateTemp(folder, ".shotline-compare-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, file.Close())
	}
	return &looks{file: file}, nil
}

func (l *looks) add(look Look) (place int64, err error) {
	line, err := json.Marshal(look)
	if err != nil {
		return 0, err
	}
	place = l.size
	n, err := l.file.WriteAt(append(line, '\n'), place)
	l.size += int64(n)
	return place, err
}

func (l *looks) read(place int64) (look Look, err error) {
	line, err := bufio.NewReaderSize(io.NewSectionReader(l.file, place, maxLook), 1<<10).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &look)
	}
	if err != nil {
		err = fmt.Errorf("read the temporary file: %w", err)
	}
	return look, err
}

func (l *looks) close() error { return l.file.Close() }
