package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"shotline/jobs"
)

const (
	insertRefusal  = `INSERT INTO refusals (at, path, result, status, reason, headers, more) VALUES (?, ?, ?, ?, ?, ?, ?)`
	boundRefusals  = `DELETE FROM refusals WHERE seq <= (SELECT max(seq) FROM refusals) - ?`
	newestRefusals = `SELECT seq, at, path, result, status, reason, headers, more FROM refusals ORDER BY seq DESC LIMIT ?`
)

// AddRefusals implements jobs.Inbox.
func (s *Store) AddRefusals(ctx context.Context, refusals []jobs.Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	refusals = refusals[max(len(refusals)-jobs.MaxRefusals, 0):]
	err := s.write(ctx, func(t *tx) error {
		for _, r := range refusals {
			headers, err := json.Marshal(append([]string{}, r.Headers...))
			if err != nil {
				return err
			}
			if _, err := t.exec(insertRefusal, r.At.UnixMilli(), r.Path, r.Result, r.Status, r.Reason, string(headers), r.More); err != nil {
				return err
			}
		}
		_, err := t.exec(boundRefusals, jobs.MaxRefusals)
		return err
	})
	return wrapError(err, "add %d refusals", len(refusals))
}

// Refusals implements jobs.Reader.
func (s *Store) Refusals(ctx context.Context) (newest []jobs.Refusal, err error) {
	err = s.read(ctx, func(row scanner) error {
		var r jobs.Refusal
		var at sql.NullInt64
		var headers []byte
		if err := row.Scan(&r.Seq, &at, &r.Path, &r.Result, &r.Status, &r.Reason, &headers, &r.More); err != nil {
			return err
		}
		if err := json.Unmarshal(headers, &r.Headers); err != nil {
			return fmt.Errorf("headers of refusal %d: %w", r.Seq, err)
		}
		r.At = fromMillis(at)
		newest = append(newest, r)
		return nil
	}, newestRefusals, jobs.MaxRefusals)
	return newest, wrapError(err, "list refusals")
}
