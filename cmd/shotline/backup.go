package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/number"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "write a checked copy of the database to a file, while other commands run",
		ArgsUsage: "FILE",
		Flags: storeFlags(
			&cli.BoolFlag{Name: "force", Usage: "replace FILE if it exists"},
			jsonFlag,
		),
		Action: func(c *cli.Context) error {
			file, err := oneArgument(c, "a file to write")
			if err != nil {
				return err
			}
			if file == "-" {
				return badUsage("backup -: a backup cannot go to standard output; for a file with this name write ./-")
			}
			return withStore(c, func(store jobs.Store) error { return backup(c, store, file) })
		},
	}
}

func backup(c *cli.Context, store jobs.Store, file string) error {
	source, able := store.(jobs.BackupStore)
	if !able {
		return errors.New("this store does not support backup")
	}
	made, err := source.Backup(c.Context, file, c.Bool("force"))
	if errors.Is(err, fs.ErrExist) {
		return badUsage("%s exists: choose another name, or replace it with --force", file)
	}
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		return json.NewEncoder(c.App.Writer).Encode(made)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: %s, %s with %s, checked\n", printable(made.Path), formatSize(made.Bytes),
		number.Of(made.Batches, "batch"), number.Of(made.Jobs, "row"))
	return err
}

// formatSize formats a number of bytes in KiB, MiB or GiB.
func formatSize(bytes int64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	default:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
}
