package sqlite

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// One transaction of Prune examines at most pruneChunk rows and removes about
// pruneBytes of bodies at most. It holds the write lock for about 20 ms.
const (
	pruneChunk = 1000
	pruneBytes = 4 << 20
)

// pruning removes old rows of one table in the order of their places. The query
// page selects, for rows after the place ?1: the place, whether the row is old,
// so that later rows might be old as well, whether the row is to be removed, and
// its size. The statement remove removes the rows after ?1 up to ?2 that are to
// be removed. Both get the same arguments from ?3 on.
type pruning struct {
	page, remove string
	args         []any
}

// Unapplied deliveries, such as foreign ones, are found by the index
// inbox_unapplied, applied ones by their place: with few exceptions, older
// deliveries have lower places. Bodies are measured but not read.
const (
	pageUnapplied = `SELECT seq, 1, 1, length(body) FROM inbox WHERE disposition = ?3 AND disposition <> '' AND seq > ?1
		AND (seq <= ?4 OR received_at < ?5) ORDER BY seq LIMIT ?2`
	removeUnapplied = `DELETE FROM inbox WHERE disposition = ?3 AND disposition <> '' AND seq > ?1 AND seq <= ?2
		AND (seq <= ?4 OR received_at < ?5) AND seq < (SELECT max(seq) FROM inbox)`
	pageApplied = `SELECT seq, received_at < ?3, disposition = '' AND received_at < ?3, length(body) FROM inbox
		WHERE seq > ?1 AND seq <= (SELECT place FROM cursors WHERE name = 'inbox') ORDER BY seq LIMIT ?2`
	removeApplied = `DELETE FROM inbox WHERE seq > ?1 AND seq <= ?2 AND disposition = '' AND received_at < ?3
		AND seq <= (SELECT place FROM cursors WHERE name = 'inbox') AND seq < (SELECT max(seq) FROM inbox)`
	pageEvents = `SELECT seq, at < ?3, at < ?3 AND EXISTS (SELECT 1 FROM batches
			WHERE batches.seq = batch_seq AND state = 'finished' AND finished_at < ?3), 0
		FROM events WHERE seq > ?1 AND seq <= (` + slowestReader + `) ORDER BY seq LIMIT ?2`
	removeEvents = `DELETE FROM events WHERE seq > ?1 AND seq <= ?2 AND seq <= (` + slowestReader + `) AND at < ?3
		AND EXISTS (SELECT 1 FROM batches WHERE batches.seq = batch_seq AND state = 'finished' AND finished_at < ?3)`
	pageKeys      = `SELECT batch_seq, created_at < ?3, created_at < ?3, 0 FROM idempotency_keys WHERE batch_seq > ?1 ORDER BY batch_seq LIMIT ?2`
	removeKeys    = `DELETE FROM idempotency_keys WHERE batch_seq > ?1 AND batch_seq <= ?2 AND created_at < ?3`
	pageCallbacks = `SELECT seq, created_at < max(?3, ?4), ` + settledLongAgo + `, coalesce(length(body), 0)
		FROM callbacks WHERE seq > ?1 ORDER BY seq LIMIT ?2`
	removeCallbacks = `DELETE FROM callbacks WHERE seq > ?1 AND seq <= ?2 AND ` + settledLongAgo
	pageSummaries   = `SELECT batch_seq, at < ?3, at < ?3 AND ` + newerStored + `, length(data) FROM summaries WHERE batch_seq > ?1 ORDER BY batch_seq LIMIT ?2`
	removeSummaries = `DELETE FROM summaries WHERE batch_seq > ?1 AND batch_seq <= ?2 AND at < ?3 AND ` + newerStored
	newerStored     = `revision < (SELECT summarized FROM batches WHERE seq = batch_seq)`
	settledLongAgo  = `((state = 'delivered' AND settled_at < ?3) OR (state = 'dead' AND settled_at < ?4))`
)

// Events of foreign deliveries are removed in the order of the deliveries. These
// are removed oldest first, so a delivery before the oldest remaining one no
// longer exists.
const (
	pageForeignEvents = `SELECT delivery, 1, 1, 0 FROM events WHERE delivery > ?1 AND delivery < ` + oldestForeign + `
		AND seq <= (` + slowestReader + `) ORDER BY delivery LIMIT ?2`
	removeForeignEvents = `DELETE FROM events WHERE delivery > ?1 AND delivery <= ?2 AND delivery < ` + oldestForeign + `
		AND seq <= (` + slowestReader + `)`
	oldestForeign = `coalesce((SELECT min(seq) FROM inbox WHERE disposition = 'foreign' AND disposition <> ''), 9223372036854775807)`
)

// newestToGo selects the place of the newest delivery of a kind that exceeds the
// maximum number.
const newestToGo = `SELECT coalesce((SELECT seq FROM inbox WHERE disposition = ? AND disposition <> ''
	ORDER BY seq DESC LIMIT 1 OFFSET ?), 0)`

const (
	pruneWorkers = `DELETE FROM workers WHERE seen_at < ?`
	pruneTicks   = `DELETE FROM ticks WHERE due_at < ?`
)

// Prune implements jobs.Upkeep. SQLite reuses the freed pages; the file does not
// shrink.
func (s *Store) Prune(ctx context.Context, r jobs.Retention) (pruned jobs.Pruned, err error) {
	defer func() { err = wrapError(err, "prune") }()
	for _, kind := range []jobs.Disposition{jobs.DispositionForeign, jobs.DispositionNoted, jobs.DispositionAside} {
		n, err := s.pruneUnapplied(ctx, kind, r)
		pruned.Foreign += n
		if err != nil {
			return pruned, fmt.Errorf("%s deliveries: %w", kind, err)
		}
	}
	for _, paged := range []struct {
		noun    string
		removed *int64
		enabled bool
		pruning
	}{
		{"events of foreign deliveries", &pruned.Events, r.MaxForeign > 0 || !r.Foreign.IsZero(), pruning{pageForeignEvents, removeForeignEvents, nil}},
		{"applied deliveries", &pruned.Deliveries, !r.Deliveries.IsZero(), pruning{pageApplied, removeApplied, []any{r.Deliveries.UnixMilli()}}},
		{"events", &pruned.Events, !r.Events.IsZero(), pruning{pageEvents, removeEvents, []any{r.Events.UnixMilli()}}},
		{"keys", &pruned.Keys, !r.Keys.IsZero(), pruning{pageKeys, removeKeys, []any{r.Keys.UnixMilli()}}},
		{"callbacks", &pruned.Callbacks, !r.Callbacks.IsZero() || !r.Dead.IsZero(),
			pruning{pageCallbacks, removeCallbacks, []any{before(r.Callbacks), before(r.Dead)}}},
		{"summaries", &pruned.Summaries, !r.Events.IsZero(), pruning{pageSummaries, removeSummaries, []any{r.Events.UnixMilli()}}},
	} {
		if !paged.enabled {
			continue
		}
		n, err := s.prune(ctx, paged.pruning)
		*paged.removed += n
		if err != nil {
			return pruned, fmt.Errorf("%s: %w", paged.noun, err)
		}
	}
	for _, small := range []struct {
		removed *int64
		query   string
		before  time.Time
	}{
		{&pruned.Workers, pruneWorkers, r.Workers},
		{&pruned.Ticks, pruneTicks, r.Ticks},
	} {
		if small.before.IsZero() {
			continue
		}
		err := s.writeAlone(ctx, func(t *tx) (err error) {
			*small.removed, err = t.exec(small.query, small.before.UnixMilli())
			return err
		})
		if err != nil {
			return pruned, err
		}
	}
	return pruned, nil
}

func (s *Store) pruneUnapplied(ctx context.Context, kind jobs.Disposition, r jobs.Retention) (int64, error) {
	var beyond int64
	if r.MaxForeign > 0 {
		if err := s.readDB.QueryRowContext(ctx, newestToGo, string(kind), r.MaxForeign).Scan(&beyond); err != nil {
			return 0, err
		}
	}
	if beyond == 0 && r.Foreign.IsZero() {
		return 0, nil
	}
	return s.prune(ctx, pruning{pageUnapplied, removeUnapplied, []any{string(kind), beyond, before(r.Foreign)}})
}

// before returns a time of the retention in the form that rows are compared with.
// No row is older than the zero time.
func before(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// prune removes rows page by page. It looks at each page with a reader first, and
// takes the write lock only if the page has rows to remove.
func (s *Store) prune(ctx context.Context, p pruning) (removed int64, err error) {
	for after := int64(0); ; {
		last, removable, old, err := s.prunePage(ctx, p, after)
		if err != nil || !old {
			return removed, err
		}
		if removable {
			err := s.writeAlone(ctx, func(t *tx) error {
				n, err := t.exec(p.remove, append([]any{after, last}, p.args...)...)
				removed += n
				return err
			})
			if err == nil {
				err = pause(ctx, s.importPause)
			}
			if err != nil {
				return removed, err
			}
		}
		after = last
	}
}

// prunePage returns the last place of a page, whether the page has rows to
// remove, and whether it has old rows. If it has none, later pages have none
// either.
func (s *Store) prunePage(ctx context.Context, p pruning, after int64) (last int64, removable, old bool, err error) {
	var bytes int64
	err = s.read(ctx, func(row scanner) error {
		var place, size int64
		var isOld, remove bool
		if err := row.Scan(&place, &isOld, &remove, &size); err != nil {
			return err
		}
		if bytes >= pruneBytes {
			return nil
		}
		last, old = place, old || isOld
		if remove {
			removable = true
			bytes += size
		}
		return nil
	}, p.page, append([]any{after, pruneChunk}, p.args...)...)
	return last, removable, old, err
}
