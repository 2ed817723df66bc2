package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
)

const (
	loadIdentity = `SELECT id FROM identity WHERE place = ?`
	// A copy of the file lies in another place, and becomes a store of its own.
	saveIdentity = `INSERT INTO identity (one, id, place) VALUES (1, ?1, ?2)
		ON CONFLICT (one) DO UPDATE SET id = excluded.id, place = excluded.place WHERE place <> excluded.place`
)

// Identity implements jobs.Upkeep. What tells a copy from the file that it was made
// of is the file's number in its file system. A file that is moved within that keeps
// its number, and backups hold no identity.
func (s *Store) Identity(ctx context.Context) (id string, err error) {
	place, err := fileNumber(s.path)
	if err != nil {
		return "", wrapError(err, "identify the database")
	}
	err = s.readDB.QueryRowContext(ctx, loadIdentity, place).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, wrapError(err, "identify the database")
	}
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.exec(saveIdentity, strings.ToLower(rand.Text()), place); err != nil {
			return err
		}
		return t.get([]any{&id}, loadIdentity, place)
	})
	return id, wrapError(err, "identify the database")
}
