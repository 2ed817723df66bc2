package jobs

import "context"

// Backup is a copy of a store in one file.
type Backup struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Batches int64  `json:"batches"`
	Jobs    int64  `json:"jobs"` // rows of all batches, whatever became of them
}

// Backuper is a store that can copy itself into a file while others write.
type Backuper interface {
	// Backup makes a checked copy at path and returns when it is on disk. The
	// file is there whole or not at all. One that is there already is replaced
	// only with force; otherwise the error is fs.ErrExist.
	Backup(ctx context.Context, path string, force bool) (Backup, error)
}
