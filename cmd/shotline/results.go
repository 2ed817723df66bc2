package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

func resultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "results",
		Usage:     "print every row of a batch with its result, in input order, as CSV",
		ArgsUsage: "BATCH",
		Flags:     storeFlags(outFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			batch, err := oneArgument(c, "a batch id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				if _, err := store.Batch(c.Context, batch); err != nil {
					return err
				}
				write := func(w io.Writer) error { return summary.WriteResults(c.Context, w, store, batch) }
				if c.Bool(jsonFlag.Name) {
					write = func(w io.Writer) error { return summary.WriteRows(c.Context, w, store, batch) }
				}
				return writeOut(c, write)
			})
		},
	}
}
