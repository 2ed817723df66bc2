package jobs

import "context"

// Backup is a copy of a store in one file.
type Backup struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Batches int64  `json:"batches"`
	Jobs    int64  `json:"jobs"` // rows of all batches, in any state
}

// BackupStore is implemented by a store that can copy itself into a file while other
// processes write.
type BackupStore interface {
	// Backup writes a checked copy to path and returns when it is on disk. The file
	// is complete or absent. An existing file is replaced only if force is true;
	// otherwise the error is fs.ErrExist.
	Backup(ctx context.Context, path string, force bool) (Backup, error)
}
