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
	// A copy of the file has another place and gets a new id.
	saveIdentity = `INSERT INTO identity (one, id, place) VALUES (1, ?1, ?2)
		ON CONFLICT (one) DO UPDATE SET id = excluded.id, place = excluded.place WHERE place <> excluded.place`
)

// Identity implements jobs.Upkeep. A copy is distinguished from its original by
// the number of the file in its file system. A file keeps this number if it is
// moved within the file system. Backups hold no identity.
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
