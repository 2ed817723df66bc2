package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
)

var (
	stateFlag = &cli.StringSliceFlag{Name: "state", Usage: "only jobs in this `STATE` (repeatable)"}
	limitFlag = &cli.IntFlag{Name: "limit", Value: 100, Usage: "at most this many"}
	afterFlag = &cli.StringFlag{Name: "after", Usage: "go on after this `ID`"}
)

const listPage = 500

func listCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list batches, newest first, or the jobs of one batch",
		ArgsUsage: "[BATCH]",
		Flags:     storeFlags(slices.Concat([]cli.Flag{stateFlag}, searchFlags(), []cli.Flag{limitFlag, afterFlag, jsonFlag})...),
		Action: func(c *cli.Context) error {
			if c.Int(limitFlag.Name) <= 0 {
				return badUsage("--limit must be above zero")
			}
			return withStore(c, func(store jobs.Store) error {
				if c.NArg() == 0 {
					for _, flag := range append(searchFlags(), stateFlag) {
						if name := flag.Names()[0]; c.IsSet(name) {
							return badUsage("--%s is for the jobs of one batch: name it", name)
						}
					}
					return listBatches(c, store)
				}
				batch, err := oneArgument(c, "a batch id")
				if err != nil {
					return err
				}
				return listJobs(c, store, batch)
			})
		},
	}
}

func listBatches(c *cli.Context, store jobs.Store) error {
	after := c.String(afterFlag.Name)
	batches, err := store.Batches(c.Context, after, c.Int(limitFlag.Name))
	if errors.Is(err, jobs.ErrNotFound) {
		return badUsage("--after %s: there is no such batch", after)
	}
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		out := json.NewEncoder(c.App.Writer)
		for _, b := range batches {
			if err := out.Encode(b); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BATCH\tSTATE\tROWS\tOPEN\tDONE\tFLAWED\tCREATED\tSOURCE")
	for _, b := range batches {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", b.ID, b.State, b.Counts.Rows, b.Counts.Open(),
			b.Counts.Of(jobs.Done), b.Counts.Flawed(), b.CreatedAt.Format(time.DateTime), printable(b.Source))
	}
	return table.Flush()
}

func listJobs(c *cli.Context, store jobs.Store, batch string) error {
	filter, err := jobSearch(c, time.Now())
	if err != nil {
		return err
	}
	filter.Batch = batch
	for _, name := range c.StringSlice(stateFlag.Name) {
		state := jobs.State(name)
		if !state.Valid() {
			return badUsage("--state %q: want one of %v", name, jobs.States)
		}
		filter.States = append(filter.States, state)
	}
	if after := c.String(afterFlag.Name); after != "" {
		var err error
		if filter.After, err = jobs.ParseID(after); err != nil {
			return badUsage("--after: %w", err)
		}
	}
	if _, err := store.Batch(c.Context, batch); err != nil {
		return err
	}

	out := json.NewEncoder(c.App.Writer)
	table := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	if !c.Bool(jsonFlag.Name) {
		fmt.Fprintln(table, "JOB\tSTATE\tSCREENSHOT\tCLOSED BY\tURL\tERROR")
	}
	for left := c.Int(limitFlag.Name); left > 0; {
		filter.Limit = min(left, listPage)
		page, next, err := store.Search(c.Context, filter)
		if err != nil {
			return err
		}
		for _, j := range page {
			if c.Bool(jsonFlag.Name) {
				err = out.Encode(j)
			} else {
				_, err = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.State, printable(j.ScreenshotID), j.ClosedBy, printable(j.URL), printable(j.Error))
			}
			if err != nil {
				return err
			}
		}
		if next.IsZero() {
			break
		}
		left -= len(page)
		filter.After = next
	}
	return table.Flush()
}
