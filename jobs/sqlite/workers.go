package sqlite

import (
	"context"
	"database/sql"
	"time"

	"shotline/jobs"
)

// ClaimTick implements jobs.Upkeep. A tick that was never claimed is due.
func (s *Store) ClaimTick(ctx context.Context, name string, at, next time.Time) (bool, error) {
	var claimed bool
	err := s.write(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO ticks (name, due_at) VALUES (?1, ?2)
			ON CONFLICT (name) DO UPDATE SET due_at = ?2 WHERE due_at <= ?3 OR due_at > ?2`, name, next.UnixMilli(), at.UnixMilli())
		claimed = n > 0
		return err
	})
	if err != nil {
		return false, wrapError(err, "claim tick %s", name)
	}
	return claimed, nil
}

// Announce implements jobs.Upkeep.
func (s *Store) Announce(ctx context.Context, w jobs.Worker) error {
	troubles, err := canonicalJSON(w.Troubles, len(w.Troubles))
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			_, err := t.exec(`INSERT INTO workers (id, role, pid, receives, seen_at, troubles) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET role = excluded.role, pid = excluded.pid, receives = excluded.receives,
					seen_at = excluded.seen_at, troubles = excluded.troubles`, w.ID, w.Role, w.PID, w.Receives, w.SeenAt.UnixMilli(), troubles)
			return err
		})
	}
	return wrapError(err, "announce worker %s", w.ID)
}

// Withdraw implements jobs.Upkeep.
func (s *Store) Withdraw(ctx context.Context, id string) error {
	err := s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM workers WHERE id = ?`, id)
		return err
	})
	return wrapError(err, "withdraw worker %s", id)
}

// Workers implements jobs.Reader.
func (s *Store) Workers(ctx context.Context, since time.Time) ([]jobs.Worker, error) {
	var alive []jobs.Worker
	err := s.read(ctx, func(row scanner) error {
		var w jobs.Worker
		var seen sql.NullInt64
		var troubles sql.NullString
		if err := row.Scan(&w.ID, &w.Role, &w.PID, &w.Receives, &seen, &troubles); err != nil {
			return err
		}
		w.SeenAt = fromMillis(seen)
		err := fromJSON(troubles, &w.Troubles)
		alive = append(alive, w)
		return err
	}, `SELECT id, role, pid, receives, seen_at, troubles FROM workers WHERE seen_at >= ? ORDER BY id`, since.UnixMilli())
	return alive, wrapError(err, "list workers")
}
