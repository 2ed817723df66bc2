package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// The columns of a row. Most rows have no options, and values that are not bound
// cost nothing.
const (
	plainColumns  = `seq, state, created_at, error, line, url, request_key, params, tags, metadata, cells`
	optionColumns = `, callback_url, timeout_ms, priority`
	plainValues   = 11
	jobValues     = plainValues + 3
)

const (
	insertTogether = 10 // rows that one statement of an import inserts
	encodedAhead   = 16 // statements whose rows are encoded while one runs
)

// insertPlain and insertJobs are indexed by the number of rows that they insert.
// insertPlain inserts rows without options.
var (
	insertPlain = inserts(plainColumns, plainValues)
	insertJobs  = inserts(plainColumns+optionColumns, jobValues)
)

func inserts(columns string, values int) (queries [insertTogether + 1]string) {
	row := `(?` + strings.Repeat(`, ?`, values-1) + `)`
	for n := 1; n <= insertTogether; n++ {
		queries[n] = `INSERT INTO jobs (` + columns + `) VALUES ` + row + strings.Repeat(`, `+row, n-1)
	}
	return queries
}

// encodedRows are the rows of some requests with the statement that inserts them,
// or the reason why one of the requests cannot become a row.
type encodedRows struct {
	line   int // of the first request
	rows   int
	query  string
	values []any // the values of all rows
	err    error
}

// encode encodes requests in a goroutine while the writer inserts earlier rows.
// The caller must read the channel to its end.
func encode(requests []jobs.Request, at time.Time) <-chan encodedRows {
	portions := make(chan encodedRows, encodedAhead)
	go func() {
		defer close(portions)
		for portion := range slices.Chunk(requests, insertTogether) {
			encoded := encodedRows{line: portion[0].Line, rows: len(portion), query: insertPlain[len(portion)]}
			width := plainValues
			if slices.ContainsFunc(portion, hasOptions) {
				encoded.query, width = insertJobs[len(portion)], jobValues
			}
			for _, r := range portion {
				row, err := requestRow(r, at)
				if err != nil {
					portions <- encodedRows{err: fmt.Errorf("line %d: %w", r.Line, err)}
					return
				}
				encoded.values = append(encoded.values, row[:width]...)
			}
			portions <- encoded
		}
	}()
	return portions
}

func hasOptions(r jobs.Request) bool {
	return r.CallbackURL != "" || r.Timeout != 0 || r.Priority != nil
}

// requestRow encodes a request for insertJobs. The caller fills in its place.
func requestRow(r jobs.Request, at time.Time) ([]any, error) {
	params, err := canonicalJSON(r.Params, len(r.Params))
	if err != nil {
		return nil, fmt.Errorf("%w: params: %w", jobs.ErrInvalid, err)
	}
	tags, err1 := canonicalJSON(r.Tags, len(r.Tags))
	metadata, err2 := canonicalJSON(r.Metadata, len(r.Metadata))
	cells, err3 := canonicalJSON(r.Cells, len(r.Cells))
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", jobs.ErrInvalid, err)
		}
	}
	var priority any
	if r.Priority != nil {
		if priority = *r.Priority; *r.Priority < -jobs.MaxPriority || *r.Priority > jobs.MaxPriority {
			return nil, fmt.Errorf("%w: priority %d is not between -%d and %d", jobs.ErrInvalid, *r.Priority, jobs.MaxPriority, jobs.MaxPriority)
		}
	}
	state, key := jobs.Rejected, any(nil)
	if r.Reject == "" {
		state = jobs.Queued
		// A JSON list separates the parts even if they contain separators.
		same := []any{r.URL, params, tags}
		if r.CallbackURL != "" { // different callback URLs need different jobs
			same = append(same, r.CallbackURL)
		}
		text, err := json.Marshal(same)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", jobs.ErrInvalid, err)
		}
		sum := sha256.Sum256(text)
		key = sum[:16]
	}
	return []any{nil, string(state), at.UnixMilli(), r.Reject, r.Line, r.URL, key, params, tags, metadata, cells,
		r.CallbackURL, r.Timeout.Milliseconds(), priority}, nil
}

// requestsAfter selects what requestRow stores. The error of a row that is not
// rejected is of its job.
const requestsAfter = `SELECT CASE state WHEN 'rejected' THEN error ELSE '' END, line, url, params, tags, metadata, cells,
	callback_url, timeout_ms, priority FROM jobs ` + rowsAfter

// Requests implements jobs.Reader. Rows of a ranked batch have the priority that
// they got from it.
func (s *Store) Requests(ctx context.Context, batch string, after int64, limit int) ([]jobs.Request, error) {
	var page []jobs.Request
	seq, err := s.batchPlace(ctx, batch)
	if err == nil {
		err = s.read(ctx, func(row scanner) error {
			r, err := scanRequest(row)
			page = append(page, r)
			return err
		}, requestsAfter, rowSeq(seq, max(after, 0)), rowSeq(seq, maxRow), pageSize(limit, maxPage))
	}
	return page, wrapError(err, "list requests of batch %s", batch)
}

func scanRequest(row scanner) (r jobs.Request, err error) {
	var params, tags, metadata, cells sql.NullString
	var timeout int64
	var priority sql.NullInt64
	err = row.Scan(&r.Reject, &r.Line, &r.URL, &params, &tags, &metadata, &cells, &r.CallbackURL, &timeout, &priority)
	if err != nil {
		return r, err
	}
	r.Timeout = time.Duration(timeout) * time.Millisecond
	if priority.Valid {
		r.Priority = new(int(priority.Int64))
	}
	return r, errors.Join(fromJSON(params, &r.Params), fromJSON(tags, &r.Tags), fromJSON(metadata, &r.Metadata), fromJSON(cells, &r.Cells))
}
