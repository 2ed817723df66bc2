package sqlite

import (
	"context"
	"math/bits"
	"os"
)

// groupClasses is how many powers of two there are from one to groupLimit.
const groupClasses = 10

// groupClass is the class of a transaction of n operations: 0 for up to one, 1
// for two, 2 for up to four, and so on to the limit.
func groupClass(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// Stats tells what the writer did since Open, and how large the files are.
type Stats struct {
	Commits    int64 // transactions committed
	Operations int64 // operations in them
	// Groups are the same transactions by how many operations they have: up to
	// the key, a power of two, and more than half of it.
	Groups   map[int]int64
	Failures int64 // transactions that failed for a reason of the database
	Renewals int64 // connections opened in place of one that had an I/O error
	// Checkpoints are moves of the log into the database, and CheckpointFailures
	// those that failed, after which writes are refused until one succeeds.
	Checkpoints, CheckpointFailures int64
	// DamageReports are errors of SQLite that may be damage, and were checked.
	DamageReports int64
	Waiting       int   // operations that wait now
	FileBytes     int64 // of the database file; 0 when it cannot be told
	WALBytes      int64 // of its write-ahead log
}

// Stats returns the writer's counters and the sizes of the files.
func (s *Store) Stats() Stats {
	stats := Stats{
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

// Spare is how many bytes of the file hold nothing any more, and are used before
// it grows.
func (s *Store) Spare(ctx context.Context) (bytes int64, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size`).Scan(&bytes)
	return bytes, wrapError(err, "ask for spare pages")
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
