package sqlite

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// One transaction of retention goes through at most so many rows, and removes
// at most about so many bytes of bodies: some 20 ms of the write lock.
const (
	pruneChunk = 1000
	pruneBytes = 4 << 20
)

// pruning removes old rows of one table along their places. page tells, of rows
// after the place ?1, how old they are: place, whether rows from here on may
// have to go, whether this one has to, and how large it is. remove removes
// those of the places after ?1 up to ?2. Both get the same arguments from ?3 on.
type pruning struct {
	page, remove string
	args         []any
}

// Strangers' deliveries are found by the index inbox_unapplied, those that were
// applied by their place: with few exceptions the oldest come first. Bodies are
// measured and not read.
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

// The events of foreign deliveries, along the places of these: oldest first they
// go, so that what is before the oldest one is gone.
const (
	pageForeignEvents = `SELECT delivery, 1, 1, 0 FROM events WHERE delivery > ?1 AND delivery < ` + oldestForeign + `
		AND seq <= (` + slowestReader + `) ORDER BY delivery LIMIT ?2`
	removeForeignEvents = `DELETE FROM events WHERE delivery > ?1 AND delivery <= ?2 AND delivery < ` + oldestForeign + `
		AND seq <= (` + slowestReader + `)`
	oldestForeign = `coalesce((SELECT min(seq) FROM inbox WHERE disposition = 'foreign' AND disposition <> ''), 9223372036854775807)`
)

// newestToGo is the place of the newest delivery of a kind beyond the bound.
const newestToGo = `SELECT coalesce((SELECT seq FROM inbox WHERE disposition = ? AND disposition <> ''
	ORDER BY seq DESC LIMIT 1 OFFSET ?), 0)`

const (
	pruneWorkers = `DELETE FROM workers WHERE seen_at < ?`
	pruneTicks   = `DELETE FROM ticks WHERE due_at < ?`
)

// Prune implements jobs.Upkeep. Freed pages are used again; the file does not
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
	for _, many := range []struct {
		noun    string
		removed *int64
		asked   bool
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
		if !many.asked {
			continue
		}
		n, err := s.prune(ctx, many.pruning)
		*many.removed += n
		if err != nil {
			return pruned, fmt.Errorf("%s: %w", many.noun, err)
		}
	}
	for _, few := range []struct {
		removed *int64
		query   string
		before  time.Time
	}{
		{&pruned.Workers, pruneWorkers, r.Workers},
		{&pruned.Ticks, pruneTicks, r.Ticks},
	} {
		if few.before.IsZero() {
			continue
		}
		err := s.writeAlone(ctx, func(t *tx) (err error) {
			*few.removed, err = t.exec(few.query, few.before.UnixMilli())
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

// before is a time of retention as rows are compared with; nothing is older than
// the zero time.
func before(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// prune goes from page to page. A reader looks first: the lock is taken only
// for what has to go.
func (s *Store) prune(ctx context.Context, p pruning) (removed int64, err error) {
	for after := int64(0); ; {
		last, doomed, old, err := s.prunePage(ctx, p, after)
		if err != nil || !old {
			return removed, err
		}
		if doomed {
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

// prunePage finds where a page ends, whether anything in it has to go, and
// whether any of it is old, so that the next page may be as well.
func (s *Store) prunePage(ctx context.Context, p pruning, after int64) (last int64, doomed, old bool, err error) {
	var bytes int64
	err = s.read(ctx, func(row scanner) error {
		var place, size int64
		var isOld, goes bool
		if err := row.Scan(&place, &isOld, &goes, &size); err != nil {
			return err
		}
		if bytes >= pruneBytes {
			return nil
		}
		last, old = place, old || isOld
		if goes {
			doomed = true
			bytes += size
		}
		return nil
	}, p.page, append([]any{after, pruneChunk}, p.args...)...)
	return last, doomed, old, err
}
