package sqlite

import (
	"context"
	"errors"
	"strings"

	"shotline/jobs"
)

// searchScan is how many rows a page of a search looks at unless it is told.
const searchScan = 100_000

// searchBytes is how large the rows of a page of a search get, but for its last
// one: a row may have a megabyte.
const searchBytes = 8 << 20

// errPageFull ends a page that is large enough.
var errPageFull = errors.New("page is full")

// search is a jobs.JobSearch on the way to SQL: a range of places, both
// inclusive, and what is asked of the rows in it.
type search struct {
	first, last int64
	order       string
	where       string
	args        []any
}

// Search implements jobs.Reader.
func (s *Store) Search(ctx context.Context, f jobs.JobSearch) (page []jobs.Job, next jobs.ID, err error) {
	limit := pageSize(f.Limit, maxPage)
	err = s.look(ctx, func(v view) error {
		q, err := v.search(f)
		if err != nil {
			return err
		}
		stopped, err := v.bound(&q, f)
		if err != nil {
			return err
		}
		args := append([]any{q.first, q.last}, q.args...)
		size := 0
		err = v.each(func(row scanner) error {
			if size >= searchBytes {
				return errPageFull
			}
			var r jobRow
			err := r.scanAny(row)
			page, size = append(page, r.job), size+r.size
			return err
		}, selectJobs+`WHERE jobs.seq BETWEEN ? AND ?`+q.where+` ORDER BY jobs.seq `+q.order+` LIMIT ?`, append(args, limit+1)...)
		switch {
		case errors.Is(err, errPageFull):
			next, err = page[len(page)-1].ID, nil
		case err != nil:
			return err
		case len(page) > limit:
			page = page[:limit]
			next = page[limit-1].ID
		case stopped != 0:
			next, err = v.jobID(stopped)
		}
		return err
	})
	if err != nil {
		return nil, jobs.ID{}, wrapError(err, "search jobs")
	}
	return page, next, nil
}

func (v view) search(f jobs.JobSearch) (q search, err error) {
	q = search{first: 0, last: maxSeq}
	if f.Newest {
		q.order = "DESC"
	}
	if f.Batch != "" {
		seq, err := v.batchPlace(f.Batch)
		if err != nil {
			return q, err
		}
		q.first, q.last = rowSeq(seq, 1), rowSeq(seq, maxRow)
	}
	if !f.After.IsZero() {
		seq, err := v.batchPlace(f.After.Batch)
		if err != nil {
			return q, err
		}
		if place := rowSeq(seq, f.After.Row); f.Newest {
			q.last = min(q.last, place-1)
		} else {
			q.first = max(q.first, place+1)
		}
	}
	if len(f.States) > 0 {
		q.where += " AND jobs.state IN (?" + strings.Repeat(", ?", len(f.States)-1) + ")"
		for _, state := range f.States {
			q.args = append(q.args, string(state))
		}
	}
	if f.Text != "" { // lower is for ASCII alone, on both sides
		q.where += " AND instr(lower(url), lower(?)) > 0"
		q.args = append(q.args, f.Text)
	}
	return q, nil
}

// bound narrows the range to what one page may look at. It returns the place
// where that ends, 0 when the rows end before.
func (v view) bound(q *search, f jobs.JobSearch) (stopped int64, err error) {
	if q.where == "" {
		return 0, nil // the page's own limit is enough
	}
	scan := f.Scan
	if scan <= 0 {
		scan = searchScan
	}
	var edge []int64 // the last that is looked at, and the one behind it
	err = v.each(func(row scanner) error {
		var seq int64
		err := row.Scan(&seq)
		edge = append(edge, seq)
		return err
	}, `SELECT seq FROM jobs WHERE seq BETWEEN ? AND ? ORDER BY seq `+q.order+` LIMIT 2 OFFSET ?`, q.first, q.last, scan-1)
	if err != nil || len(edge) < 2 {
		return 0, err
	}
	if f.Newest {
		q.first = edge[0]
	} else {
		q.last = edge[0]
	}
	return edge[0], nil
}

// jobID names the job at a place.
func (v view) jobID(seq int64) (id jobs.ID, err error) {
	batch, row := splitSeq(seq)
	err = v.get([]any{&id.Batch}, `SELECT id FROM batches WHERE seq = ?`, batch)
	id.Row = row
	return id, err
}
