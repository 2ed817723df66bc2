package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"shotline/jobs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the files of this program ("SHOT"). The first migration
// writes it.
const applicationID = 1397247828

// migrateTries limits how often a migration is repeated after another process
// migrated the same file at the same time.
const migrateTries = 20

// errForeign is returned for an intact database of another program. Its text does
// not advise the user to replace the file.
var errForeign = fmt.Errorf("%w: it is another program's SQLite database; use another file", jobs.ErrCorrupt)

// prepareSchema sets WAL mode and migrates the schema. If the file belongs to
// another program, it returns an error before it changes anything.
//
// Two processes might do this to a new file at the same time. Each migration is
// one immediate transaction. The second process either fails because of the
// changes that it finds, or repeats changes without an effect. It then reads the
// version again and finds nothing left to do. prepareSchema returns the error if
// no process has made progress for the duration busy.
func prepareSchema(ctx context.Context, db *sql.DB, busy time.Duration) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	sources := provider.ListSources()
	target := sources[len(sources)-1].Version

	deadline, reached := time.Now().Add(busy), int64(0)
	for try := 1; ; try++ {
		version, err := migrate(ctx, db, provider, target)
		if err == nil || ctx.Err() != nil || errors.Is(err, jobs.ErrNewer) || reportsDamage(err) {
			return err
		}
		if version > reached {
			deadline, reached, try = time.Now().Add(busy), version, 1
		}
		if try >= migrateTries || time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx, time.Duration(try)*5*time.Millisecond); err != nil {
			return err
		}
	}
}

// migrate returns the version that it found.
func migrate(ctx context.Context, db *sql.DB, provider *goose.Provider, target int64) (version int64, err error) {
	version, err = schemaVersion(ctx, db)
	if err != nil {
		return 0, err
	}
	if version > target {
		return version, fmt.Errorf("%w: its schema is version %d, this program knows %d", jobs.ErrNewer, version, target)
	}
	// This comes before any table is created. On a database in WAL mode it has no
	// effect.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return version, fmt.Errorf("set journal_mode: %w", err)
	}
	if version == target {
		return version, nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return version, fmt.Errorf("migrate: %w", err)
	}
	return version, nil
}

// schemaVersion returns 0 for an empty file and for a file that another process
// is creating. It returns an error for a database of another program.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var id, tables, versionTables int64
	// One statement reads everything, because another process might be creating the
	// schema.
	err := db.QueryRowContext(ctx, `
		SELECT (SELECT application_id FROM pragma_application_id), count(*), count(*) FILTER (WHERE name = ?) FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`, goose.DefaultTablename).Scan(&id, &tables, &versionTables)
	if err != nil {
		return 0, fmt.Errorf("read schema: %w", err)
	}
	if id != applicationID && (id != 0 || tables > versionTables) {
		return 0, errForeign
	}
	if versionTables == 0 {
		return 0, nil
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// pause waits for the duration d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
