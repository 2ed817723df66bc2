package main

import (
	"context"
	"errors"
	"fmt"

	"shotline/jobs"
)

// minFree is how many bytes of the database's file system must be free for this
// process to count as ready. On a small disk it is a twentieth of the disk, if
// that is less.
const minFree = 64 << 20

// reservedFree is how many bytes new work leaves free there, or a tenth of the
// disk if that is less. They are for webhooks and for work that was accepted
// before. It is more than minFree, so that an import does not make this process
// unready.
const reservedFree = 128 << 20

// fileStore is a store whose log is moved into its file later. The file then
// grows by the size of the log, less its unused bytes.
type fileStore interface {
	statsReporter
	// Spare returns the number of unused bytes in the file.
	Spare(ctx context.Context) (bytes int64, err error)
}

// enoughFree returns an error if the database's file system is nearly full.
func enoughFree(database string) error {
	free, total, err := freeSpace(database)
	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return fmt.Errorf("get free space: %w", err)
	}
	if required := min(minFree, total/20); free < required {
		return fmt.Errorf("%d bytes are free next to %s, at least %d are needed", free, database, required)
	}
	return nil
}

// roomForFiles returns jobs.ErrNoRoom if the file system of a folder has no room for
// downloaded files. Often the database is on the same one.
func roomForFiles(folder string) error {
	free, total, err := freeSpace(folder)
	if err != nil {
		return nil // a write reports the cause
	}
	if kept := min(reservedFree, total/10); free < kept {
		return fmt.Errorf("%w: %d bytes are free in %s, and %d are reserved for webhooks and running work", jobs.ErrNoRoom, free, folder, kept)
	}
	return nil
}

// roomForWork returns jobs.ErrNoRoom if the database's file system has no room
// for new work. The file might grow by the size of its log. Its unused pages, for
// example those of an import that failed, make room for as much.
func roomForWork(ctx context.Context, store jobs.Store, database string) error {
	free, total, err := freeSpace(database)
	if err != nil {
		return nil // a write reports the cause
	}
	room, kept := free, min(reservedFree, total/10)
	if file, ok := store.(fileStore); ok {
		spare, err := file.Spare(ctx)
		if err != nil {
			return err
		}
		if growth := file.Stats().WALBytes - spare; growth > 0 || free > kept/2 { // with less there is no room even for the log
			room -= growth
		}
	}
	if room < kept {
		return fmt.Errorf("%w: %d bytes are free next to %s, and %d are reserved for webhooks and running work: free some space, then try again",
			jobs.ErrNoRoom, free, database, kept)
	}
	return nil
}
