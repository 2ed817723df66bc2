package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
	"shotline/jobs/wholefile"
)

// backupStep is the number of pages that are copied at a time. The context is
// checked after each step. The copy and the writers do not block each other.
const backupStep = 2048

// backupPragmas make writing the copy faster. They are safe because the copy is
// synced before it gets its name.
var backupPragmas = []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF"}

// Backup writes a copy of the whole store, as it is at this moment, to path.
// Others can write to the store meanwhile. Backup checks every page, every index
// and every reference of the copy. The file appears under its name once it is
// complete and on disk. If a crash happens before that, at most a file whose name
// ends in ".partial" is left beside it. If path exists already and force is not
// set, Backup leaves it unchanged and returns fs.ErrExist. If the copy is
// damaged, Backup removes it and returns jobs.ErrCorrupt.
//
// The copy is made in one read transaction. Until it ends, the write-ahead log
// grows with every commit.
func (s *Store) Backup(ctx context.Context, path string, force bool) (jobs.Backup, error) {
	made, err := s.backup(ctx, path, force)
	if err != nil {
		return jobs.Backup{}, wrapError(err, "back up %s to %s", s.path, path)
	}
	return made, nil
}

func (s *Store) backup(ctx context.Context, path string, force bool) (made jobs.Backup, err error) {
	target, err := s.resolveTarget(path, force)
	if err != nil {
		return made, err
	}
	folder := filepath.Dir(target.Path)
	partial, err := os.CreateTemp(folder, filepath.Base(target.Path)+".*.partial")
	if err != nil {
		return made, err
	}
	name := partial.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(name) // discard the incomplete copy
		}
	}()
	if err := errors.Join(target.Inherit(partial), partial.Close()); err != nil {
		return made, err
	}
	made = jobs.Backup{Path: path}
	if err := s.copyTo(ctx, name, &made); err != nil {
		return made, err
	}
	if made.Bytes, err = syncFile(name); err != nil {
		return made, err
	}
	if err := publish(name, target.Path, force); err != nil {
		return made, err
	}
	return made, wholefile.SyncFolder(folder)
}

// resolveTarget returns the file that a backup to path writes. It follows
// symbolic links. It returns an error if the file belongs to the database, if it
// is not a regular file, or if it exists and force is not set.
func (s *Store) resolveTarget(path string, force bool) (wholefile.Target, error) {
	none := wholefile.Target{}
	// These are checked first, so that the error is about the database and not about
	// the permissions of the file.
	if info, err := os.Stat(path); err == nil {
		for _, suffix := range []string{"", walSuffix, shmSuffix} {
			if own, err := os.Stat(s.path + suffix); err == nil && os.SameFile(own, info) {
				return none, fmt.Errorf("%w: it is the database itself", jobs.ErrInvalid)
			}
		}
		if info.Mode().IsRegular() && !force && !s.isReserved(path) {
			return none, fs.ErrExist
		}
	}
	target, err := wholefile.Resolve(path)
	switch {
	case errors.Is(err, wholefile.ErrNotRegular):
		return none, fmt.Errorf("%w: %w", jobs.ErrInvalid, err)
	case err != nil:
		return none, err
	case s.isReserved(target.Path):
		return none, fmt.Errorf("%w: SQLite would treat it as a part of the database", jobs.ErrInvalid)
	}
	return target, nil
}

// isReserved reports whether SQLite uses this path for a file beside the
// database. SQLite removes such a file if it does not need it.
func (s *Store) isReserved(path string) bool {
	for _, suffix := range []string{"-journal", walSuffix, shmSuffix} {
		if filepath.Base(path) != filepath.Base(s.path)+suffix {
			continue
		}
		own, err := os.Stat(filepath.Dir(s.path))
		other, otherErr := os.Stat(filepath.Dir(path))
		return err == nil && otherErr == nil && os.SameFile(own, other)
	}
	return false
}

// copyTo copies the store into the empty file at path, checks the copy and counts
// its batches and rows.
func (s *Store) copyTo(ctx context.Context, path string, made *jobs.Backup) (err error) {
	db := openDB(path, "mode=rw", "_foreign_keys=on", "_cache_size=-16384")
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	to, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for _, pragma := range backupPragmas {
		if _, err := to.ExecContext(ctx, pragma); err != nil {
			return fmt.Errorf("%s: %w", pragma, err)
		}
	}
	if err := s.copyPages(ctx, to); err != nil {
		return err
	}
	// If a file is not in WAL mode, a log beside it cannot belong to it; inspect
	// relies on this. Opening the copy as a store sets WAL mode again.
	if _, err := to.ExecContext(ctx, "PRAGMA journal_mode = DELETE"); err != nil {
		return fmt.Errorf("leave WAL: %w", err)
	}
	// The copy is another store and must not keep the identity of this one.
	if _, err := to.ExecContext(ctx, `DELETE FROM identity`); err != nil {
		return fmt.Errorf("remove the identity: %w", err)
	}
	if err := checkCopy(ctx, to); err != nil {
		return err
	}
	err = to.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(rows), 0) FROM batches`).Scan(&made.Batches, &made.Jobs)
	if err != nil {
		return fmt.Errorf("count the copied rows: %w", err)
	}
	return nil
}

// copyPages copies one snapshot. The reading connection holds the snapshot
// between the steps. Otherwise each commit of another connection would restart
// the copy.
func (s *Store) copyPages(ctx context.Context, to *sql.Conn) (err error) {
	from, err := s.readDB.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if _, err := from.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		_, ended := from.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, ended)
	}()
	var tables int
	if err := from.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil { // takes the snapshot
		return err
	}
	return from.Raw(func(source any) error {
		return to.Raw(func(target any) error {
			return copySteps(ctx, source.(*sqlite3.SQLiteConn), target.(*sqlite3.SQLiteConn))
		})
	})
}

func copySteps(ctx context.Context, source, target *sqlite3.SQLiteConn) error {
	b, err := target.Backup("main", source, "main")
	if err != nil {
		return err
	}
	for {
		done, err := b.Step(backupStep)
		switch {
		case err != nil:
			_ = b.Finish() // returns the same error
			return err
		case done:
			return b.Finish()
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return errors.Join(err, b.Finish())
		}
	}
}

// checkCopy checks all pages, indexes and references of a copy.
func checkCopy(ctx context.Context, conn *sql.Conn) error {
	var verdict string
	if err := conn.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: the copy is damaged: %s", jobs.ErrCorrupt, verdict)
	}
	rows, err := conn.QueryContext(ctx, `PRAGMA foreign_key_check`)
	err = eachRow(rows, err, func(row scanner) error {
		var table, parent string
		var id sql.NullInt64
		var key int
		if err := row.Scan(&table, &id, &parent, &key); err != nil {
			return err
		}
		return fmt.Errorf("%w: row %d of %s refers to a missing row of %s", jobs.ErrCorrupt, id.Int64, table, parent)
	})
	if err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	return nil
}

// syncFile flushes a file to disk and returns its size.
func syncFile(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err == nil {
		size, err = info.Size(), f.Sync()
	}
	return size, errors.Join(err, f.Close())
}

// publish gives a complete file its name. Without force it does not replace a
// file that appeared under this name in the meantime. If the file system has no
// hard links, a file that appears between the check and the rename is replaced.
func publish(partial, path string, force bool) error {
	if force {
		return os.Rename(partial, path)
	}
	err := os.Link(partial, path)
	switch {
	case err == nil:
		return os.Remove(partial)
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return os.Rename(partial, path)
}
