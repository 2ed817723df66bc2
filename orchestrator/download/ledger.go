package download

import (
	"context"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

// Ledger is the durable record of files. Its methods are safe for concurrent use.
type Ledger interface {
	// NameFile gives the file the name in w.File.Name, instead of the one that it
	// had. It returns jobs.ErrExists if another file of the folder has the name,
	// without regard to case, and jobs.ErrLeaseLost if the file is no longer to be
	// fetched.
	NameFile(ctx context.Context, w Work) error
	// SettleFiles records the ends of files in one durable step.
	SettleFiles(ctx context.Context, works []Work) error
}

// ManifestLedger is a Ledger that keeps its record in a manifest.
type ManifestLedger struct{ *artifact.Manifest }

// NameFile implements Ledger.
func (l ManifestLedger) NameFile(_ context.Context, w Work) error {
	claimed, err := l.Claim(w.File.Name, w.File)
	if err == nil && !claimed {
		err = jobs.ErrExists
	}
	return err
}

// SettleFiles implements Ledger.
func (l ManifestLedger) SettleFiles(_ context.Context, works []Work) error {
	entries := make([]artifact.Entry, len(works))
	for i, w := range works {
		entries[i] = artifact.NewEntry(w.Job, w.File)
		entries[i].Kept = w.Kept
	}
	return l.Append(entries)
}
