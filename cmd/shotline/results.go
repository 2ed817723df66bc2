package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

func resultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "results",
		Usage:     "every row of a batch with what became of it, as CSV in the input's order",
		ArgsUsage: "BATCH",
		Flags:     storeFlags(&cli.StringFlag{Name: "out", Usage: "write to a `FILE` instead of standard output"}),
		Action: func(c *cli.Context) error {
			batch, err := oneArgument(c, "a batch id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				if _, err := store.Batch(c.Context, batch); err != nil {
					return fmt.Errorf("batch %s: %w", batch, err)
				}
				write := func(w io.Writer) error { return summary.WriteResults(c.Context, w, store, batch) }
				if out := c.String("out"); out != "" {
					return writeFile(out, write)
				}
				return write(c.App.Writer)
			})
		},
	}
}
