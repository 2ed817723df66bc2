package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	first, last int64  // ?1 and ?2
	order       string // of the places
	where       string
	looks       bool // at rows that may not be asked for
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
		args := append([]any{q.first, q.last, limit + 1}, q.args...)
		size := 0
		err = v.each(func(row scanner) error {
			if size >= searchBytes {
				return errPageFull
			}
			var r jobRow
			err := r.scanAny(row)
			page, size = append(page, r.job), size+r.size
			return err
		}, q.query(), args...)
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

func (q search) query() string {
	return selectJobs + `WHERE ` + q.where + ` ORDER BY jobs.seq ` + q.order + ` LIMIT ?3`
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
	indexes, found := firstInStates(f.States, q.order)
	asked, err := q.asked(f)
	if err != nil {
		return q, err
	}
	switch {
	case asked != "":
		q.where, q.looks = between+inStates(f.States)+asked, true
	case found:
		q.where = indexes
	default:
		q.where, q.looks = between+inStates(f.States), len(f.States) > 0
	}
	return q, nil
}

// asked are the conditions that a row must be looked at for, empty when there are
// none. Their arguments are q's, from ?4 on.
func (q *search) asked(f jobs.JobSearch) (string, error) {
	var where strings.Builder
	arg := func(value any) string {
		q.args = append(q.args, value)
		return fmt.Sprintf("?%d", len(q.args)+3)
	}
	if !f.Since.IsZero() {
		where.WriteString(" AND created_at >= " + arg(ceilMillis(f.Since)))
	}
	if !f.Until.IsZero() {
		where.WriteString(" AND created_at < " + arg(ceilMillis(f.Until)))
	}
	if f.Text != "" { // lower is for ASCII alone, on both sides
		where.WriteString(" AND instr(lower(" + searchedURL(f.Shielded) + "), lower(" + arg(f.Text) + ")) > 0")
	}
	if f.Error != "" {
		if f.Shielded {
			where.WriteString(" AND instr(error, '@') = 0")
		}
		where.WriteString(" AND error <> '' AND instr(lower(error), lower(" + arg(f.Error) + ")) > 0")
	}
	for _, tag := range f.Tags {
		if tag == "" {
			continue
		}
		text, err := canonicalJSON(tag, 1)
		if err != nil {
			return "", fmt.Errorf("%w: tag: %w", jobs.ErrInvalid, err)
		}
		// A quote within a tag is escaped: one behind a bracket or a comma begins a tag.
		first, later := arg("["+text.(string)), arg(","+text.(string))
		has := "(instr(tags, " + first + ") = 1 OR instr(tags, " + later + ") > 0)"
		where.WriteString(" AND (" + has + " OR jobs.seq >> 32 IN (SELECT seq FROM batches WHERE seq BETWEEN ?1 >> 32 AND ?2 >> 32 AND " + has + "))")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Metadata)) {
		has, err := hasField(name, f.Metadata[name], arg)
		if err != nil {
			return "", fmt.Errorf("%w: metadata: %w", jobs.ErrInvalid, err)
		}
		where.WriteString(has)
	}
	return where.String(), nil
}

// hasField is a condition on metadata. The texts to look for are as canonicalJSON
// writes them, so that most rows need not be parsed; a row that holds one is, since
// a name may look like JSON.
func hasField(name, value string, arg func(any) string) (string, error) {
	key, err := canonicalJSON(name, 1)
	if err != nil {
		return "", err
	}
	text, err := canonicalJSON(value, 1)
	if err != nil {
		return "", err
	}
	field, quoted := key.(string)+":", text.(string)
	looks := "instr(metadata, " + arg(field+quoted) + ") > 0"
	if json.Valid([]byte(value)) && !strings.ContainsAny(value[:1], "\"[{ \t\r\n") {
		looks += " OR instr(metadata, " + arg(field+value+",") + ") > 0 OR instr(metadata, " + arg(field+value+"}") + ") > 0"
	}
	return " AND (" + looks + ") AND EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = " + arg(name) +
		" AND (type <> 'text' OR value = " + arg(value) + "))", nil
}

// ceilMillis is the first time that is kept which is not before t.
func ceilMillis(t time.Time) int64 {
	return t.Add(time.Millisecond - time.Nanosecond).UnixMilli()
}

// indexed are the states whose jobs lie in an index of their own, in order.
var indexed = []jobs.State{jobs.Queued, jobs.Pending, jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Rejected}

// between is a range of places.
const between = `jobs.seq BETWEEN ?1 AND ?2`

// firstInStates is a condition on the first ?3 jobs in the states, from place ?1
// to ?2, by their indexes; not found when one has none, or no state is asked for.
func firstInStates(states []jobs.State, order string) (condition string, found bool) {
	var picks []string
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		if !slices.Contains(indexed, state) {
			return "", false
		}
		// Written out, so that the partial index can be used.
		picks = append(picks, `SELECT seq FROM (SELECT seq FROM jobs WHERE state = '`+string(state)+`' AND `+between+
			` ORDER BY seq `+order+` LIMIT ?3)`)
	}
	return `jobs.seq IN (` + strings.Join(picks, ` UNION ALL `) + `)`, len(picks) > 0
}

// inStates is a condition on jobs that are looked at one by one; none without states.
func inStates(states []jobs.State) string {
	var names []string
	for _, state := range states {
		if state.Valid() { // no job is in another
			names = append(names, `'`+string(state)+`'`)
		}
	}
	if len(states) == 0 {
		return ""
	}
	return ` AND jobs.state IN (` + strings.Join(names, `, `) + `)`
}

// errScanEnds stops at the batch in which a page has looked at enough rows.
var errScanEnds = errors.New("scan ends here")

// bound narrows the range to what one page may look at. It returns the place
// where that ends, 0 when the rows end before. The rows of a batch lie side by
// side, so that their number tells the place.
func (v view) bound(q *search, f jobs.JobSearch) (stopped int64, err error) {
	if !q.looks {
		return 0, nil // the page's own limit is enough
	}
	left := int64(f.Scan)
	if left <= 0 {
		left = searchScan
	}
	err = v.each(func(row scanner) error {
		var seq, rows int64
		if err := row.Scan(&seq, &rows); err != nil {
			return err
		}
		first, last := max(rowSeq(seq, 1), q.first), min(rowSeq(seq, rows), q.last)
		switch n := last - first + 1; {
		case n <= 0:
			return nil
		case left == 0: // there are more rows behind the last one that is looked at
			return errScanEnds
		case n > left && f.Newest:
			stopped = last - left + 1
			return errScanEnds
		case n > left:
			stopped = first + left - 1
			return errScanEnds
		case f.Newest:
			stopped = first
		default:
			stopped = last
		}
		left -= last - first + 1
		return nil
	}, `SELECT seq, rows FROM batches WHERE seq BETWEEN ? AND ? ORDER BY seq `+q.order, q.first>>32, q.last>>32)
	if !errors.Is(err, errScanEnds) {
		return 0, err // nil: the rows end before
	}
	if f.Newest {
		q.first = stopped
	} else {
		q.last = stopped
	}
	return stopped, nil
}

// jobID names the job at a place.
func (v view) jobID(seq int64) (id jobs.ID, err error) {
	batch, row := splitSeq(seq)
	err = v.get([]any{&id.Batch}, `SELECT id FROM batches WHERE seq = ?`, batch)
	id.Row = row
	return id, err
}
