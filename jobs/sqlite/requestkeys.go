package sqlite

import (
	"context"
	"encoding/hex"
	"encoding/json"
)

// importedWith returns the places of the rows of a batch that have the same key as
// one of the amendments, by key. It skips the keys of amendments that keep the key
// of their row.
func (s *Store) importedWith(ctx context.Context, batchSeq int64, amendments []amendment) (map[string][]int64, error) {
	var keys []string
	for _, a := range amendments {
		same := false
		err := s.read(ctx, func(row scanner) error { return row.Scan(&same) },
			`SELECT request_key IS ? FROM jobs WHERE seq = ?`, a.values[valueKey], a.seq)
		if err != nil {
			return nil, err
		}
		if !same && a.key() != nil {
			keys = append(keys, hex.EncodeToString(a.key()))
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	wanted, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	found := map[string][]int64{}
	err = s.read(ctx, func(row scanner) error {
		var seq int64
		var key []byte
		if err := row.Scan(&seq, &key); err != nil {
			return err
		}
		found[string(key)] = append(found[string(key)], seq)
		return nil
	}, rowsWithKeys, rowSeq(batchSeq, 1), rowSeq(batchSeq, maxRow), string(wanted))
	return found, err
}

// rowsWithKeys compares the keys in SQLite, because it reads all rows of a batch.
const rowsWithKeys = `SELECT seq, request_key FROM jobs WHERE seq BETWEEN ? AND ?
	AND request_key IN (SELECT unhex(value) FROM json_each(?))`
