package download

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Reader reads the jobs whose files are fetched. Every jobs.Reader implements it.
type Reader interface {
	Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error)
}

// sourcePage is the number of rows to read at a time.
const sourcePage = 500

// Order is a set of jobs and what is wanted of them.
type Order struct {
	Batch    jobs.Batch
	Job      *jobs.Job // if not nil, only this job of the batch
	Template artifact.Template
	Outputs  []jobs.Output // empty: all that the job requested
}

// Source finds the works of orders.
type Source struct {
	Reader Reader
	Folder *artifact.Folder
	// Manifest knows which files are saved. They are omitted if they still exist
	// with the same size.
	Manifest *artifact.Manifest
	// Keep also omits files that an earlier run kept; see Config.NoClobber.
	Keep bool

	rows       atomic.Int64
	skipped    atomic.Int64
	otherNames atomic.Int64
}

// Rows returns the number of rows that were read. It can be called at any time.
func (s *Source) Rows() int64 { return s.rows.Load() }

// Skipped returns the number of files that were omitted because they are saved.
func (s *Source) Skipped() int64 { return s.skipped.Load() }

// OtherNames returns the number of skipped files that have another name than the
// template gives them.
func (s *Source) OtherNames() int64 { return s.otherNames.Load() }

// Works returns the files of an order that are not saved yet, in the order of
// rows. A duplicate has no file of its own.
func (s *Source) Works(ctx context.Context, o Order) iter.Seq2[Work, error] {
	return func(yield func(Work, error) bool) {
		if o.Job != nil {
			s.job(o, *o.Job, yield)
			return
		}
		for after := int64(0); ; {
			rows, err := s.Reader.Rows(ctx, o.Batch.ID, after, sourcePage)
			if err != nil {
				yield(Work{}, fmt.Errorf("rows of %s after row %d: %w", o.Batch.ID, after, err))
				return
			}
			for _, row := range rows {
				if !s.job(o, row.Job, yield) {
					return
				}
			}
			if len(rows) < sourcePage {
				return
			}
			after = rows[len(rows)-1].ID.Row
		}
	}
}

// job yields the files of a job. It returns false if the iteration has to stop.
func (s *Source) job(o Order, j jobs.Job, yield func(Work, error) bool) bool {
	defer s.rows.Add(1)
	for _, f := range jobs.WantedFiles(j, o.Batch.Params, o.Outputs) {
		saved, err := s.look(&f)
		if err != nil {
			yield(Work{}, err)
			return false
		}
		w := Work{File: f, Job: j, Batch: &o.Batch, Template: o.Template}
		if saved {
			s.skipped.Add(1)
			if !w.mayHaveName(f.Name) {
				s.otherNames.Add(1)
			}
			continue
		}
		if !yield(w, nil) {
			return false
		}
	}
	return true
}

// look reports whether a file is saved as its manifest says, and sets its name. If
// it is saved in an earlier version, look sets which one.
func (s *Source) look(f *jobs.File) (saved bool, err error) {
	e, found, err := s.Manifest.Entry(f.Job, f.Output, f.Shot)
	if err != nil || !found || e.State != jobs.FileSaved {
		return false, err
	}
	f.Name = e.File
	if !e.Kept {
		f.Old = jobs.OldFile{Name: e.File, Size: e.Bytes, SavedAt: e.SavedAt}
	}
	if e.Screenshot != f.Screenshot || e.Kept && !s.Keep {
		return false, nil
	}
	size, exists := s.Folder.Size(e.File)
	return exists && size == e.Bytes, nil
}

// Join returns the works of several orders, one order after the other.
func (s *Source) Join(ctx context.Context, orders []Order) iter.Seq2[Work, error] {
	return func(yield func(Work, error) bool) {
		for _, o := range orders {
			for w, err := range s.Works(ctx, o) {
				if !yield(w, err) {
					return
				}
			}
		}
	}
}
