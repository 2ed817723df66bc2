package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// urlScheme matches the beginning of a URL. The rest might hold a password, so
// errors show the scheme only.
var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// storeOpener returns the opener for the store that --db names. No other function
// selects a store.
func storeOpener(database string) (jobs.Opener, error) {
	if scheme := urlScheme.FindString(database); scheme != "" {
		return nil, badUsage("--%s %s…: only a SQLite file is supported, and this is a URL: give the path of a file", dbFlag.Name, scheme)
	}
	return sqlite.Opener(database), nil
}

// openStore opens the store that --db names. It creates the file if it does not
// exist.
func openStore(ctx context.Context, database string, o jobs.OpenOptions) (jobs.Store, error) {
	open, err := storeOpener(database)
	if err != nil {
		return nil, err
	}
	return open(ctx, o)
}

// withStore opens the store of --db and calls do. It fails if the file does not
// exist: a mistyped name must not leave an empty database behind.
func withStore(c *cli.Context, do func(jobs.Store) error) error {
	return withStoreOptions(c, jobs.OpenOptions{Purpose: jobs.ForCommand}, do)
}

// withStoreOptions is withStore with options. It sets the logger.
func withStoreOptions(c *cli.Context, o jobs.OpenOptions, do func(jobs.Store) error) error {
	database := c.String(dbFlag.Name)
	open, err := storeOpener(database)
	if err != nil {
		return err
	}
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		return badUsage("--db %s: there is no such database", database)
	}
	if o.Logger, err = newLogger(c, slog.LevelWarn); err != nil {
		return err
	}
	store, err := open(c.Context, o)
	if err != nil {
		return err
	}
	return errors.Join(do(store), store.Close())
}
