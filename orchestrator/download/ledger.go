package download

import (
	"context"
	"time"

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

// Recorder records files that were saved without an order. Every jobs.Files
// implements it.
type Recorder interface {
	RecordFiles(ctx context.Context, files []jobs.File, at time.Time) error
}

// ManifestLedger is a Ledger that keeps its record in the manifest of a folder,
// and also has saved files recorded.
type ManifestLedger struct {
	*artifact.Manifest
	Folder   string // absolute
	Recorder Recorder
	Clock    Clock
}

// NameFile implements Ledger.
func (l ManifestLedger) NameFile(_ context.Context, w Work) error {
	return claim(l.Manifest, w)
}

// claim returns jobs.ErrExists if the manifest has another file with the name.
func claim(m *artifact.Manifest, w Work) error {
	claimed, err := m.Claim(w.File.Name, w.File)
	if err == nil && !claimed {
		err = jobs.ErrExists
	}
	return err
}

// SettleFiles implements Ledger.
func (l ManifestLedger) SettleFiles(ctx context.Context, works []Work) error {
	entries := make([]artifact.Entry, len(works))
	var saved []jobs.File
	for i, w := range works {
		entries[i] = artifact.NewEntry(w.Job, w.File)
		entries[i].Kept = w.Kept
		if f := w.File; f.State == jobs.FileSaved {
			f.Folder = l.Folder
			saved = append(saved, f)
		}
	}
	if err := l.Append(entries); err != nil {
		return err
	}
	return l.Recorder.RecordFiles(ctx, saved, l.Clock.Now())
}
