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

// importChunk is how many rows one short transaction of an import changes:
// some 20 ms of the write lock.
const importChunk = 2000

// beingRemoved is the touched_at of an import whose rows are going: it cannot
// go on any more.
const beingRemoved = -1

// Most rows have no options of their own: what is not bound costs nothing.
const (
	plainColumns  = `seq, state, created_at, error, line, url, request_key, params, tags, metadata, cells`
	optionColumns = `, callback_url, timeout_ms, priority`
	plainValues   = 11 // of a row
	jobValues     = plainValues + 3
)

// insertTogether is how many rows of an import one statement inserts, and
// encodedAhead how many statements' rows are encoded while one runs.
const (
	insertTogether = 10
	encodedAhead   = 16
)

// insertPlain and insertJobs insert as many rows, the former without options.
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

// AppendRequests implements jobs.Imports. Callers send a thousand rows or two at a
// time, so that a transaction stays short, and pause between calls.
func (s *Store) AppendRequests(ctx context.Context, batch string, requests []jobs.Request, at time.Time) error {
	var rejected int64
	var calls, ranked bool
	for _, r := range requests {
		if r.Reject != "" {
			rejected++
		}
		calls, ranked = calls || r.CallbackURL != "", ranked || r.Priority != nil
	}
	rows := encode(requests, at)
	defer func() {
		for range rows { // until the requests are the caller's again
		}
	}()
	err := s.writeAlone(ctx, func(t *tx) error {
		seq, last, err := t.importing(batch)
		if err != nil {
			return err
		}
		if last+int64(len(requests)) > maxRow {
			return fmt.Errorf("%w: a batch has at most %d rows", jobs.ErrInvalid, int64(maxRow))
		}
		place := rowSeq(seq, last)
		for portion := range rows {
			if portion.err != nil {
				return portion.err
			}
			for i := range portion.rows {
				place++
				portion.values[i*len(portion.values)/portion.rows] = place
			}
			if _, err := t.exec(portion.query, portion.values...); err != nil {
				return fmt.Errorf("line %d, or one of the %d behind it: %w", portion.line, portion.rows-1, err)
			}
		}
		_, err = t.exec(`UPDATE batches SET rows = rows + ?, queued = queued + ?, rejected = rejected + ?, touched_at = ?,
			row_callbacks = max(row_callbacks, ?), ranked = max(ranked, ?)
			WHERE seq = ?`, len(requests), int64(len(requests))-rejected, rejected, at.UnixMilli(), calls, ranked, seq)
		return err
	})
	return wrapError(err, "append to batch %s", batch)
}

// importing finds the place of an import that may go on, and how many rows it
// has: jobs.ErrState when it is being removed, too.
func (t *tx) importing(batch string) (seq, rows int64, err error) {
	var state jobs.BatchState
	var touched int64
	err = t.get([]any{&seq, &state, &rows, &touched}, `SELECT seq, state, rows, touched_at FROM batches WHERE id = ?`, batch)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, 0, jobs.ErrNotFound
	case err == nil && (state != jobs.BatchImporting || touched == beingRemoved):
		return 0, 0, jobs.ErrState
	}
	return seq, rows, err
}

// encodedRows are some requests and how to insert them, or why one of them cannot be a row.
type encodedRows struct {
	line   int // of the first
	rows   int
	query  string
	values []any // of all of them
	err    error
}

// encode returns at once: rows are encoded while the writer inserts those before.
// The channel must be read to its end.
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

// requestRow encodes a request for insertJobs; its place is filled in later.
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
		// The JSON list keeps the parts apart whatever they contain.
		same := []any{r.URL, params, tags}
		if r.CallbackURL != "" { // two that are to be told are two
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

// OpenBatch implements jobs.Imports.
func (s *Store) OpenBatch(ctx context.Context, batch string, at time.Time) (jobs.Batch, error) {
	if err := s.openBatch(ctx, batch, at); err != nil {
		return jobs.Batch{}, wrapError(err, "open batch %s", batch)
	}
	return s.Batch(context.WithoutCancel(ctx), batch) // it is open now, whoever gave up
}

func (s *Store) openBatch(ctx context.Context, batch string, at time.Time) error {
	opened, err := s.Batch(ctx, batch)
	if err != nil {
		return err
	}
	if opened.State != jobs.BatchImporting {
		return jobs.ErrState
	}
	if err := s.markDuplicates(ctx, batch); err != nil {
		return err
	}
	if err := s.rankRows(ctx, batch); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		seq, _, err := t.importing(batch)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE batches SET state = 'open', wake_at = 0, touched_at = ? WHERE seq = ?`, at.UnixMilli(), seq); err != nil {
			return err
		}
		_, err = t.finishBatch(seq, at)
		return err
	})
}

// markDuplicates streams the rows sorted by what makes them equal, so that
// memory does not grow with the batch (the sort may spill to disk), and marks
// them in chunks. Called again after a crash it finds the same first rows.
func (s *Store) markDuplicates(ctx context.Context, batch string) error {
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return err
	}
	var chunk [][2]int64 // place of the duplicate, row it repeats
	flush := func() error {
		err := s.writeAlone(ctx, func(t *tx) error {
			// Once the import is removed, its place may be another batch's.
			now, _, err := t.importing(batch)
			if err == nil && now != seq {
				err = jobs.ErrNotFound
			}
			if err != nil {
				return err
			}
			return t.markDuplicates(seq, chunk)
		})
		chunk = chunk[:0]
		return err
	}
	var first int64
	var firstKey string
	err = s.read(ctx, func(row scanner) error {
		var place int64
		var key []byte
		if err := row.Scan(&key, &place); err != nil {
			return err
		}
		if first == 0 || string(key) != firstKey {
			firstKey = string(key)
			_, first = splitSeq(place)
			return nil
		}
		chunk = append(chunk, [2]int64{place, first})
		if len(chunk) < importChunk {
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		return pause(ctx, s.importPause)
	}, `SELECT request_key, seq FROM jobs WHERE seq BETWEEN ? AND ? AND state = 'queued'
		ORDER BY request_key, seq`, rowSeq(seq, 1), rowSeq(seq, maxRow))
	if err != nil || len(chunk) == 0 {
		return err
	}
	return flush()
}

func (t *tx) markDuplicates(batchSeq int64, chunk [][2]int64) error {
	var marked int64
	for _, pair := range chunk {
		n, err := t.exec(`UPDATE jobs SET state = 'duplicate', duplicate_of = ? WHERE seq = ? AND state = 'queued'`, pair[1], pair[0])
		if err != nil {
			return err
		}
		marked += n
	}
	return t.moveCount(batchSeq, jobs.Queued, jobs.Duplicate, marked)
}

// moveCount moves n jobs of a batch from one state's counter to another's.
func (t *tx) moveCount(batchSeq int64, from, to jobs.State, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := t.exec(fmt.Sprintf(`UPDATE batches SET %[1]s = %[1]s - ?, %[2]s = %[2]s + ? WHERE seq = ?`, from, to), n, n, batchSeq)
	return err
}

// RemoveImport implements jobs.Imports. It removes from the end, so that the
// counters are true and the rows unbroken wherever it is interrupted.
func (s *Store) RemoveImport(ctx context.Context, batch string) error {
	for {
		var gone bool
		err := s.writeAlone(ctx, func(t *tx) (err error) {
			gone, err = t.removeRows(batch)
			return err
		})
		if err == nil && !gone {
			err = pause(ctx, s.importPause)
		}
		if err != nil || gone {
			return wrapError(err, "remove import of batch %s", batch)
		}
	}
}

func (t *tx) removeRows(batch string) (gone bool, err error) {
	seq, state, err := t.batchSeq(batch)
	if err != nil {
		return false, err
	}
	if state != jobs.BatchImporting {
		return false, jobs.ErrState
	}
	if _, err := t.exec(`DELETE FROM idempotency_keys WHERE batch_seq = ?`, seq); err != nil {
		return false, err
	}
	removed := make(map[jobs.State]int64)
	var rows int64
	err = t.each(func(row scanner) error {
		var state jobs.State
		if err := row.Scan(&state); err != nil {
			return err
		}
		removed[state]++
		rows++
		return nil
	}, `DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?)
		RETURNING state`, rowSeq(seq, 1), rowSeq(seq, maxRow), importChunk)
	if err != nil {
		return false, err
	}
	if rows < importChunk {
		_, err := t.exec(`DELETE FROM batches WHERE seq = ?`, seq)
		return true, err
	}
	_, err = t.exec(`UPDATE batches SET touched_at = -1, rows = rows - ?, queued = queued - ?, duplicate = duplicate - ?, rejected = rejected - ?
		WHERE seq = ?`, rows, removed[jobs.Queued], removed[jobs.Duplicate], removed[jobs.Rejected], seq)
	return false, err
}

// staleImports goes by the index batches_importing.
const staleImports = `SELECT id FROM batches WHERE state = 'importing' AND touched_at < ? ORDER BY touched_at, seq`

// StaleImports implements jobs.Imports.
func (s *Store) StaleImports(ctx context.Context, before time.Time) ([]string, error) {
	var stale []string
	err := s.read(ctx, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		stale = append(stale, id)
		return err
	}, staleImports, before.UnixMilli())
	return stale, wrapError(err, "list stale imports")
}
