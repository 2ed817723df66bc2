package sqlite

import (
	"context"
	"math/bits"
	"os"

	"shotline/jobs"
)

// groupClasses is the number of powers of two from 1 to groupLimit.
const groupClasses = 10

// groupClass returns the class of a transaction of n operations: 0 for at most
// one operation, 1 for two, 2 for three or four, and so on.
func groupClass(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// Stats returns the writer's counters and the sizes of the files.
func (s *Store) Stats() jobs.StoreStats {
	stats := jobs.StoreStats{
		Operations: s.writer.operations.Load(),
		Groups:     make(map[int]int64, groupClasses),
		Failures:   s.writer.failures.Load(),
		Renewals:   s.writer.renewals.Load(),

		Checkpoints:        s.writer.moves.Load(),
		CheckpointFailures: s.writer.moveFailures.Load(),
		DamageReports:      s.damage.reports.Load(),

		Waiting:   len(s.writer.ops),
		FileBytes: sizeOf(s.path),
		WALBytes:  sizeOf(s.path + walSuffix),
	}
	for class := range s.writer.groups {
		n := s.writer.groups[class].Load()
		stats.Groups[1<<class] = n
		stats.Commits += n
	}
	return stats
}

// Spare returns the number of unused bytes in the file. SQLite uses them before the
// file grows.
func (s *Store) Spare(ctx context.Context) (bytes int64, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size`).Scan(&bytes)
	return bytes, wrapError(err, "count spare pages")
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
