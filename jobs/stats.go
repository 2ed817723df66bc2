package jobs

// StoreStats are figures of a store: what its writer has done in this process since
// the store was opened, and the sizes of its files. A store leaves those at zero that
// do not apply to it.
type StoreStats struct {
	Commits    int64 // committed transactions
	Operations int64 // operations in them; many can share one transaction
	// Groups counts the committed transactions by size: those with more than half of
	// the key's operations and at most as many as the key, a power of two.
	Groups   map[int]int64
	Failures int64 // transactions that failed because of the disk or of another process's lock
	Renewals int64 // connections that replaced one with an I/O error
	// Checkpoints counts moves of the write-ahead log into the database, and
	// CheckpointFailures those that failed. After a failure writes are refused until a
	// move succeeds.
	Checkpoints, CheckpointFailures int64
	DamageReports                   int64 // errors that might mean damage; each was checked
	Waiting                         int   // operations that wait for the writer now
	FileBytes                       int64 // size of the database; 0 if it is not known
	WALBytes                        int64 // size of its write-ahead log
}
