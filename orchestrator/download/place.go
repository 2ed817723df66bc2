package download

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"shotline/jobs"
	"shotline/jobs/artifact"
)

const (
	// lockWait is how long a Worker waits for a folder that another process writes
	// to, and lockPause how long it then leaves the folder alone.
	lockWait  = 2 * time.Second
	lockPause = 5 * time.Second
	// lockLook is how often it looks.
	lockLook = 20 * time.Millisecond
)

// OpenManifest opens a manifest. If another process has it open, OpenManifest
// waits for it, and returns artifact.ErrLocked after the time in wait.
func OpenManifest(ctx context.Context, clock Clock, wait time.Duration, open func() (*artifact.Manifest, error)) (*artifact.Manifest, error) {
	for began := clock.Now(); ; {
		m, err := open()
		if !errors.Is(err, artifact.ErrLocked) || clock.Now().Sub(began) >= wait {
			return m, err
		}
		if err := clock.Sleep(ctx, lockLook); err != nil {
			return nil, err
		}
	}
}

// folderLedger is the Ledger of the files that a Worker has claimed in one folder.
// It also keeps the manifest of the folder.
type folderLedger struct {
	*storeLedger
	folder   *artifact.Folder
	manifest *artifact.Manifest
}

// NameFile implements Ledger. Only the manifest knows the files of other
// databases, and those that a `download` has named since the file got its name.
func (l folderLedger) NameFile(ctx context.Context, w Work) error {
	if _, exists := l.folder.Size(w.File.Name); exists {
		if err := claim(l.manifest, w); err != nil {
			return err
		}
	}
	return l.storeLedger.NameFile(ctx, w)
}

// SettleFiles implements Ledger. A file that is tried again later has no entry.
func (l folderLedger) SettleFiles(ctx context.Context, works []Work) error {
	var entries []artifact.Entry
	for _, w := range works {
		if f := l.settled(w); f.State != jobs.FileWanted {
			entries = append(entries, artifact.NewEntry(w.Job, f))
		}
	}
	if len(entries) > 0 {
		if err := l.manifest.Append(entries); err != nil {
			return err
		}
	}
	return l.storeLedger.SettleFiles(ctx, works)
}

// folders are the folders that a Worker has open.
type folders struct {
	mode fs.FileMode
	open map[string]*openFolder
}

// openFolder is a folder, the numbers that its names have, and its manifest, which
// is closed between claims.
type openFolder struct {
	*artifact.Folder
	names    *Names
	manifest *artifact.Manifest // nil until it was opened once
}

// openManifest opens the manifest for a claim.
func (f *openFolder) openManifest() (_ *artifact.Manifest, err error) {
	if f.manifest != nil {
		return f.manifest, f.manifest.Reopen()
	}
	f.manifest, err = artifact.ExtendManifest(f.Folder)
	return f.manifest, err
}

func (f *folders) folder(name string) (*openFolder, error) {
	if folder := f.open[name]; folder != nil {
		return folder, nil
	}
	folder, err := artifact.OpenFolder(name, f.mode)
	if err != nil {
		return nil, err
	}
	f.open[name] = &openFolder{Folder: folder, names: NewNames()}
	return f.open[name], nil
}

// close closes a folder. The next use opens it again, because somebody might have
// removed it.
func (f *folders) close(name string) error {
	folder := f.open[name]
	delete(f.open, name)
	return folder.Close()
}

func (f *folders) closeAll() (err error) {
	for name := range f.open {
		err = errors.Join(err, f.close(name))
	}
	return err
}
