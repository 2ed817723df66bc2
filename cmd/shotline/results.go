package main

import (
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/summary"
)

var (
	resultsStateFlag = &cli.StringSliceFlag{Name: stateFlag.Name, Usage: "only rows in this `STATE` (repeatable, or comma-separated)"}
	resultsFormat    = &cli.StringFlag{Name: "format", Value: string(summary.CSV), Usage: "`FORMAT`: csv (written as the input was), tsv, jsonl or xlsx"}
	delimiterFlag    = &cli.StringFlag{Name: "delimiter", Usage: "with csv: separate the cells by `CHARACTER`: , or ; or | or tab (default: as in the input)"}
	excelFlag        = &cli.BoolFlag{Name: "excel", Usage: "with csv and tsv: write a byte order mark, CRLF line ends and times as Excel reads them"}
)

func resultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "results",
		Usage:     "print every row of a batch with its result, in input order, as CSV, TSV, JSON Lines or a workbook",
		ArgsUsage: "BATCH",
		Flags:     storeFlags(resultsStateFlag, resultsFormat, delimiterFlag, excelFlag, outFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			batch, err := oneArgument(c, "a batch id")
			if err != nil {
				return err
			}
			results, err := resultsOptions(c)
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				b, err := store.Batch(c.Context, batch)
				if err != nil {
					return err
				}
				if err := results.CheckRows(b); err != nil {
					return badUsage("--%w", err)
				}
				return writeOut(c, func(w io.Writer) error { return results.Write(c.Context, w, store, batch) })
			})
		},
	}
}

// resultsOptions returns what the flags select.
func resultsOptions(c *cli.Context) (summary.Results, error) {
	r := summary.Results{Format: summary.Format(c.String(resultsFormat.Name)), Excel: c.Bool(excelFlag.Name)}
	if !slices.Contains(summary.Formats, r.Format) {
		return r, badUsage("--%s %q: want csv, tsv, jsonl or xlsx", resultsFormat.Name, r.Format)
	}
	if c.Bool(jsonFlag.Name) {
		if c.IsSet(resultsFormat.Name) && r.Format != summary.JSONL {
			return r, badUsage("--%s prints jsonl; leave out --%s %s", jsonFlag.Name, resultsFormat.Name, r.Format)
		}
		r.Format = summary.JSONL
	}
	if given := c.String(delimiterFlag.Name); c.IsSet(delimiterFlag.Name) {
		var known bool
		if r.Delimiter, known = summary.ParseDelimiter(given); !known {
			return r, badUsage("--%s %q: want one of , ; | and tab", delimiterFlag.Name, given)
		}
	}
	if err := r.Check(); err != nil {
		return r, badUsage("--%w", err)
	}
	var err error
	r.States, err = stateValues(c)
	return r, err
}
