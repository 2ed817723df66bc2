package sqlite

import (
	"os"
)

// Stats tells what the writer did since Open, and how large the files are.
type Stats struct {
	Commits    int64 // transactions committed
	Operations int64 // operations in them
	Failures   int64 // transactions that failed for a reason of the database
	Renewals   int64 // connections opened in place of one that had an I/O error
	Waiting    int   // operations that wait now
	FileBytes  int64 // of the database file; 0 when it cannot be told
	WALBytes   int64 // of its write-ahead log
}

// Stats returns the writer's counters and the sizes of the files.
func (s *Store) Stats() Stats {
	return Stats{
		Commits:    s.writer.commits.Load(),
		Operations: s.writer.operations.Load(),
		Failures:   s.writer.failures.Load(),
		Renewals:   s.writer.renewals.Load(),
		Waiting:    len(s.writer.ops),
		FileBytes:  sizeOf(s.path),
		WALBytes:   sizeOf(s.path + walSuffix),
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
