package jobs

import (
	"context"
	"time"
)

// Files keeps the record of the files of jobs on disk. Orders say which batches
// have files. Which files are to be fetched follows from the orders and the jobs
// at any time, so no step of closing a job knows of files. Everything that is
// done with a file can be done twice: a file that was saved but not settled is
// fetched again, and gets the same name and the same content.
type Files interface {
	// OrderDownload stores the order of a batch, or replaces it. From then on every
	// done job of the batch has files, also jobs that closed before. The order of
	// the batch "" applies to all batches that have none of their own. Files that
	// failed are wanted again. If the folder, the template or the outputs changed,
	// the jobs are looked at again: files of another folder are wanted again, in the
	// new one. An order without a folder removes the order; its files that are still
	// wanted are forgotten. It returns ErrNotFound if the batch does not exist, and
	// ErrInvalid if an output is unknown or the folder is not absolute.
	OrderDownload(ctx context.Context, order DownloadOrder, at time.Time) error
	// DownloadOrders returns the orders of the given batches, which can include "".
	// A batch without an order of its own has none here.
	DownloadOrders(ctx context.Context, batches ...string) ([]DownloadOrder, error)
	// WantFiles looks at no more than limit jobs that changed since the last call or
	// that an order has not looked at yet. It records the files of done jobs as
	// wanted and returns their number. A job that got another screenshot, by a
	// correction, a retry or a late result, wants its files again, and File.Old is
	// the version that is on disk. The files of a job that is not done any more are
	// not wanted and not counted; those on disk become File.Old if the job is done
	// again. If more is true, there are more jobs to look at. If nothing is new, it
	// only reads, and that is cheap.
	WantFiles(ctx context.Context, at time.Time, limit int) (wanted int, more bool, err error)
	// FilesDue reports whether ClaimFiles would return a file. It only reads.
	FilesDue(ctx context.Context, at time.Time, batches ...string) (bool, error)
	// ClaimFiles returns up to limit wanted files whose wake time has come by at,
	// the longest due first and then in row order. It sets their wake time to again,
	// so that each file is claimed by one process until then. If batches are named,
	// it returns only their files.
	ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]FileWork, error)
	// NameFile gives a wanted file the name f.Name, instead of the one that it had.
	// It returns ErrExists if another file of the folder has the name, see FoldName,
	// also as its earlier version, and ErrLeaseLost if the file is no longer wanted,
	// or in another version.
	NameFile(ctx context.Context, f File) error
	// SettleFiles records what became of claimed files: saved, gone or failed, or
	// still wanted, with the time of the next try. A file is skipped if it is no
	// longer wanted, if its job has another screenshot by now, or if it was saved
	// under a name that it no longer has.
	SettleFiles(ctx context.Context, files []File, at time.Time) error
	// RecordFiles records files that were saved without an order. It skips a file if
	// an order applies to its batch and has another folder, and if its job has
	// another screenshot by now. If another file was recorded with the name, it was
	// replaced: it is wanted again if an order applies to it, and else forgotten. It
	// returns ErrInvalid if a file is not saved.
	RecordFiles(ctx context.Context, files []File, at time.Time) error
	// FilesOf returns the files of the rows of a batch after the first row up to the
	// last one, in the order of rows, outputs and shots. Files of a screenshot that
	// the job no longer has are omitted. A duplicate has no files of its own.
	FilesOf(ctx context.Context, batch string, after, last int64) ([]File, error)
	// CountFiles counts the files of a batch by state.
	CountFiles(ctx context.Context, batch string) (FileCounts, error)
}

// FileWork is a claimed file with what is needed to fetch and to name it.
type FileWork struct {
	File  File
	Job   Job
	Batch *Batch // shared by the files of the batch
	Order DownloadOrder
}

// FileCounts are the files of a batch by state.
type FileCounts struct {
	Wanted, Saved, Gone, Failed int64
	Bytes                       int64 // of the saved files
}
