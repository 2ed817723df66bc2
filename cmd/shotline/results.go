package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

func resultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "results",
		Usage:     "every row of a batch with what became of it, in the input's order, as CSV",
		ArgsUsage: "BATCH",
		Flags:     storeFlags(&cli.StringFlag{Name: "out", Usage: "write to a `FILE` instead of standard output"}, jsonFlag),
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
					write = func(w io.Writer) error { return writeRows(c.Context, w, store, batch) }
				}
				if out := c.String("out"); out != "" {
					return writeFile(out, write)
				}
				return write(c.App.Writer)
			})
		},
	}
}

// writeRows writes every row as it is, one JSON object a line: a duplicate
// names the row that it repeats.
func writeRows(ctx context.Context, w io.Writer, store jobs.Store, batch string) error {
	out := json.NewEncoder(w)
	for after := int64(0); ; {
		rows, err := store.Rows(ctx, batch, after, listPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := out.Encode(row.Job); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].ID.Row
	}
}
