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

// searchScan is the default for the most rows to examine for one page of a
// search.
const searchScan = 100_000

// searchBytes limits the size of a page of a search. The last row can exceed it,
// because a row can have a megabyte.
const searchBytes = 8 << 20

// errPageFull ends a query when the page has reached searchBytes.
var errPageFull = errors.New("page is full")

// search is a jobs.JobSearch that is being converted to SQL: an inclusive range
// of places and the conditions on the rows in it.
type search struct {
	first, last int64  // ?1 and ?2
	order       string // of the places
	where       string
	examines    bool // whether it examines rows that might not match
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
	conditions, err := q.conditions(f)
	if err != nil {
		return q, err
	}
	switch {
	case conditions != "":
		q.where, q.examines = between+inStates(f.States)+conditions, true
	case found:
		q.where = indexes
	default:
		q.where, q.examines = between+inStates(f.States), len(f.States) > 0
	}
	return q, nil
}

// conditions returns the conditions that can be checked only by examining a row. It
// returns an empty text if there are none. It appends their arguments to q.args,
// which are numbered from ?4 on.
func (q *search) conditions(f jobs.JobSearch) (string, error) {
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
	if f.Text != "" { // SQL's lower changes only ASCII letters, here on both sides
		var found []string
		for _, text := range append([]string{f.Text}, f.Spellings...) {
			found = append(found, "instr(lower("+searchedURL(f.Shielded)+"), lower("+arg(text)+")) > 0")
		}
		where.WriteString(" AND (" + strings.Join(found, " OR ") + ")")
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
		// A quote inside a tag is escaped, so a quote after a bracket or a comma
		// begins a tag.
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

// hasField returns a condition on the metadata. It first looks for texts as
// canonicalJSON writes them, so that most rows need not be parsed. A row that
// contains such a text is parsed, because a name might look like JSON.
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
	contains := "instr(metadata, " + arg(field+quoted) + ") > 0"
	if json.Valid([]byte(value)) && !strings.ContainsAny(value[:1], "\"[{ \t\r\n") {
		contains += " OR instr(metadata, " + arg(field+value+",") + ") > 0 OR instr(metadata, " + arg(field+value+"}") + ") > 0"
	}
	return " AND (" + contains + ") AND EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = " + arg(name) +
		" AND (type <> 'text' OR value = " + arg(value) + "))", nil
}

// ceilMillis returns t in milliseconds, rounded up.
func ceilMillis(t time.Time) int64 {
	return t.Add(time.Millisecond - time.Nanosecond).UnixMilli()
}

// indexed are the states whose jobs have an index in order of their places.
var indexed = []jobs.State{jobs.Queued, jobs.Pending, jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Rejected}

// between restricts jobs to a range of places.
const between = `jobs.seq BETWEEN ?1 AND ?2`

// firstInStates returns a condition that selects the first ?3 jobs in the states,
// from place ?1 to ?2, with the indexes of the states. found is false if a state
// has no index, or if states is empty.
func firstInStates(states []jobs.State, order string) (condition string, found bool) {
	var picks []string
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		if !slices.Contains(indexed, state) {
			return "", false
		}
		// The state is a literal, so that the planner can use the partial index.
		picks = append(picks, `SELECT seq FROM (SELECT seq FROM jobs WHERE state = '`+string(state)+`' AND `+between+
			` ORDER BY seq `+order+` LIMIT ?3)`)
	}
	return `jobs.seq IN (` + strings.Join(picks, ` UNION ALL `) + `)`, len(picks) > 0
}

// inStates returns a condition on jobs that are examined one by one. It is empty
// if states is empty.
func inStates(states []jobs.State) string {
	var names []string
	for _, state := range states {
		if state.Valid() { // no job is in an invalid state
			names = append(names, `'`+string(state)+`'`)
		}
	}
	if len(states) == 0 {
		return ""
	}
	return ` AND jobs.state IN (` + strings.Join(names, `, `) + `)`
}

// errScanEnds ends the query at the batch in which a page has examined enough
// rows.
var errScanEnds = errors.New("scan ends here")

// bound narrows the range to the rows that one page can examine. It returns the
// place at which the range then ends, or 0 if it contains all remaining rows. The
// rows of a batch have consecutive places, so the place follows from their
// number.
func (v view) bound(q *search, f jobs.JobSearch) (stopped int64, err error) {
	if !q.examines {
		return 0, nil // the limit of the page is enough
	}
	remaining := int64(f.Scan)
	if remaining <= 0 {
		remaining = searchScan
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
		case remaining == 0: // there are rows after the last one to examine
			return errScanEnds
		case n > remaining && f.Newest:
			stopped = last - remaining + 1
			return errScanEnds
		case n > remaining:
			stopped = first + remaining - 1
			return errScanEnds
		case f.Newest:
			stopped = first
		default:
			stopped = last
		}
		remaining -= last - first + 1
		return nil
	}, `SELECT seq, rows FROM batches WHERE seq BETWEEN ? AND ? ORDER BY seq `+q.order, q.first>>32, q.last>>32)
	if !errors.Is(err, errScanEnds) {
		return 0, err // if err is nil, the range contains all remaining rows
	}
	if f.Newest {
		q.first = stopped
	} else {
		q.last = stopped
	}
	return stopped, nil
}

// jobID returns the id of the job at a place.
func (v view) jobID(seq int64) (id jobs.ID, err error) {
	batch, row := splitSeq(seq)
	err = v.get([]any{&id.Batch}, `SELECT id FROM batches WHERE seq = ?`, batch)
	id.Row = row
	return id, err
}
