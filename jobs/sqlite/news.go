package sqlite

import (
	"context"
	"time"

	"shotline/jobs"
)

// newsEvery is the shortest interval at which News looks for commits.
const newsEvery = time.Millisecond

// News implements jobs.Reader. SQLite does not notify a process of the commits of
// other processes, so News polls once per delay.
func (s *Store) News(ctx context.Context, after jobs.Version, delay time.Duration) (jobs.Version, error) {
	if after == 0 {
		return s.dataVersion(ctx)
	}
	ticker := time.NewTicker(max(delay, newsEvery))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return after, ctx.Err()
		case <-ticker.C:
		}
		version, err := s.dataVersion(ctx)
		switch {
		case ctx.Err() != nil:
			return after, ctx.Err()
		case err != nil:
			return after, err
		case version != after:
			return version, nil
		}
	}
}

// dataVersion returns SQLite's counter of commits as a version. The counter is
// meaningful only within one connection, so dataVersion always uses the same one.
func (s *Store) dataVersion(ctx context.Context) (jobs.Version, error) {
	var count int64
	if err := s.version.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&count); err != nil {
		return 0, wrapError(err, "read data version")
	}
	return jobs.Version(count) + 1, nil // 0 is not a valid version
}
