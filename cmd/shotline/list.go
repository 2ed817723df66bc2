package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
)

var (
	stateFlag = &cli.StringSliceFlag{Name: "state", Usage: "only jobs in this `STATE` (repeatable, or comma-separated)"}
	limitFlag = &cli.IntFlag{Name: "limit", Value: 100, DefaultText: "100; with --json: all", Usage: "print at most `N`"}
	allFlag   = &cli.BoolFlag{Name: "all", Usage: "print all, without a limit"}
	afterFlag = &cli.StringFlag{Name: "after", Usage: "continue after this `ID`"}
)

const listPage = 500

func listCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list batches, newest first, or the jobs of one batch",
		ArgsUsage: "[BATCH]",
		Flags:     storeFlags(slices.Concat([]cli.Flag{stateFlag}, searchFlags(), []cli.Flag{limitFlag, allFlag, afterFlag, jsonFlag})...),
		Action: func(c *cli.Context) error {
			maxItems, err := listLimit(c)
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				if c.NArg() == 0 {
					for _, flag := range append(searchFlags(), stateFlag) {
						if name := flag.Names()[0]; c.IsSet(name) {
							return badUsage("--%s needs a batch: give its id", name)
						}
					}
					return listBatches(c, store, maxItems)
				}
				batch, err := oneArgument(c, "a batch id")
				if err != nil {
					return err
				}
				return listJobs(c, store, batch, maxItems)
			})
		},
	}
}

// listLimit returns the limit from --limit and --all. With --json the default is
// no limit, because a program might not see the note about omitted items.
func listLimit(c *cli.Context) (int, error) {
	maxItems := c.Int(limitFlag.Name)
	switch {
	case maxItems <= 0:
		return 0, badUsage("--limit must be above zero")
	case c.Bool(allFlag.Name) && c.IsSet(limitFlag.Name):
		return 0, badUsage("--all and --limit exclude each other")
	case c.Bool(allFlag.Name), c.Bool(jsonFlag.Name) && !c.IsSet(limitFlag.Name):
		return math.MaxInt, nil
	}
	return maxItems, nil
}

// list describes how to print items of one kind, a page at a time.
type list[T any] struct {
	noun   string         // noun for an item
	header string         // column names, separated by tabs
	line   func(T) string // formats an item, with tabs between columns
	json   func(T) any    // converts an item for --json
	// page returns the next items, at most limit, and reports whether there might
	// be more.
	page  func(limit int) (items []T, more bool, err error)
	total func() (int64, error) // nil if the total is not known
	next  func(last T) string   // returns the flag that continues after an item
}

// print writes up to maxItems items. If there are more, it prints a note on
// standard error.
func (l list[T]) print(c *cli.Context, maxItems int) error {
	out, table := json.NewEncoder(c.App.Writer), tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	asJSON := c.Bool(jsonFlag.Name)
	if !asJSON {
		fmt.Fprintln(table, l.header)
	}
	var last T
	for shown := 0; ; {
		page, more, err := l.page(min(maxItems-shown, listPage))
		if err != nil {
			return err
		}
		for _, item := range page {
			if asJSON {
				err = out.Encode(l.json(item))
			} else {
				_, err = fmt.Fprintln(table, l.line(item))
			}
			if err != nil {
				return err
			}
			last = item
		}
		// Column widths are computed per page, so that memory use does not grow.
		if err := table.Flush(); err != nil {
			return err
		}
		shown += len(page)
		switch {
		case !more:
			return nil
		case shown == maxItems:
			return l.printIfMore(c.App.ErrWriter, last, shown)
		}
	}
}

// printIfMore prints a note if there are items that were not listed.
func (l list[T]) printIfMore(w io.Writer, last T, shown int) error {
	for {
		page, more, err := l.page(1)
		switch {
		case err != nil:
			return err
		case len(page) == 0 && !more:
			return nil
		case len(page) > 0:
			return l.printMore(w, last, shown)
		}
	}
}

func (l list[T]) printMore(w io.Writer, last T, shown int) error {
	count := fmt.Sprintf("the first %s, there are more", number.Of(shown, l.noun))
	if l.total != nil {
		total, err := l.total()
		if err != nil {
			return err
		}
		count = fmt.Sprintf("%s of %s", number.Grouped(shown), number.Of(total, l.noun))
	}
	_, err := fmt.Fprintf(w, "%s: %s continues, --all lists all\n", count, l.next(last))
	return err
}

func listBatches(c *cli.Context, store jobs.Store, maxItems int) error {
	after := c.String(afterFlag.Name)
	return list[jobs.Batch]{
		noun:   "batch",
		header: "BATCH\tSTATE\tROWS\tOPEN\tDONE\tNO IMAGE\tCREATED\tSOURCE",
		line: func(b jobs.Batch) string {
			return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s", b.ID, b.State, b.Counts.Rows, b.Counts.Open(),
				b.Counts.Of(jobs.Done), b.Counts.Flawed(), b.CreatedAt.Format(time.DateTime), printable(b.Source))
		},
		json: func(b jobs.Batch) any { return jobjson.FromBatch(b) },
		page: func(limit int) ([]jobs.Batch, bool, error) {
			page, err := store.Batches(c.Context, after, limit)
			if errors.Is(err, jobs.ErrNotFound) {
				return nil, false, badUsage("--after %s: there is no such batch", after)
			}
			if len(page) > 0 {
				after = page[len(page)-1].ID
			}
			return page, len(page) == limit, err
		},
		total: func() (int64, error) { return store.CountBatches(c.Context) },
		next:  func(last jobs.Batch) string { return "--after " + last.ID },
	}.print(c, maxItems)
}

func listJobs(c *cli.Context, store jobs.Store, batch string, maxItems int) error {
	filter, err := jobSearch(c, time.Now())
	if err != nil {
		return err
	}
	filter.Batch = batch
	if filter.States, err = stateValues(c); err != nil {
		return err
	}
	if after := c.String(afterFlag.Name); after != "" {
		if filter.After, err = jobs.ParseID(after); err != nil {
			return badUsage("--after: %w", err)
		}
		if filter.After.Batch != batch {
			return badUsage("--after %s: want a job of batch %s, this one belongs to batch %s", after, batch, filter.After.Batch)
		}
	}
	if _, err := store.Batch(c.Context, batch); err != nil {
		return err
	}
	jobList := list[jobs.Job]{
		noun:   "job",
		header: "JOB\tSTATE\tSCREENSHOT\tCLOSED BY\tLINE\tURL\tERROR",
		line: func(j jobs.Job) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", j.ID, j.State, printable(j.ScreenshotID), j.ClosedBy, lineNumber(j.Line),
				printable(j.URL), printable(j.Error))
		},
		json: func(j jobs.Job) any { return jobjson.FromJob(j) },
		page: func(limit int) ([]jobs.Job, bool, error) {
			filter.Limit = limit
			page, next, err := store.Search(c.Context, filter)
			filter.After = next
			return page, !next.IsZero(), err
		},
		total: func() (n int64, err error) {
			b, err := store.Batch(c.Context, batch)
			if len(filter.States) == 0 {
				return b.Counts.Rows, err
			}
			for _, state := range filter.States {
				n += b.Counts.Of(state)
			}
			return n, err
		},
		next: func(last jobs.Job) string { return "--after " + last.ID.String() },
	}
	if len(filter.States) > 0 {
		jobList.noun = "matching job"
	}
	if slices.ContainsFunc(searchFlags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) }) {
		jobList.noun, jobList.total = "matching job", nil
	}
	return jobList.print(c, maxItems)
}

// stateValues returns the states in --state.
func stateValues(c *cli.Context) (states []jobs.State, err error) {
	for _, name := range listValues(c, stateFlag.Name) {
		state := jobs.State(name)
		if !state.Valid() {
			return nil, badUsage("--%s %q: want one of %v", stateFlag.Name, name, jobs.States)
		}
		states = append(states, state)
	}
	return states, nil
}

// listValues returns the values of a repeatable flag. Values can also be
// separated by commas.
func listValues(c *cli.Context, name string) (values []string) {
	for _, given := range c.StringSlice(name) {
		for value := range strings.SplitSeq(given, ",") {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}
