package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/orchestrator"
)

var (
	intoFlag  = &cli.StringFlag{Name: "into", Usage: "put the corrected rows of a results file back into their `BATCH`"}
	byFlag    = &cli.StringFlag{Name: "by", Usage: "with --into: find the row of the batch by its value in this `COLUMN`, not by job_id"}
	againFlag = &cli.BoolFlag{Name: "again", Usage: "submit and pay for the rows of a file again within a day; with --into: also capture rows again that are done and now have another URL, parameters or tags"}
)

// submitInto puts the corrected rows of a file back into their batch.
func submitInto(c *cli.Context) error {
	for _, name := range []string{paramFlag.Name, tagFlag.Name, budgetFlag.Name, dryRunFlag.Name} {
		if c.IsSet(name) {
			return badUsage("--%s cannot be used with --%s", name, intoFlag.Name)
		}
	}
	if args := c.Args().Slice(); len(args) != 1 || isURL(args[0]) {
		return badUsage("submit --%s: give one file with the corrected rows, or - for standard input", intoFlag.Name)
	}
	in, err := openInput(c)
	if err != nil {
		return err
	}
	defer in.Close()
	in.printNotes(c.App.ErrWriter)
	return withStore(c, func(store jobs.Store) error { return amend(c, store, in) })
}

// amendOptions say what an option would do, at the end of an error.
var amendOptions = map[jobs.AmendOption]string{
	jobs.AmendBy:    fmt.Sprintf(", or find the rows by a column of yours with --%s COLUMN", byFlag.Name),
	jobs.AmendAgain: fmt.Sprintf(": --%s allows that", againFlag.Name),
}

func amend(c *cli.Context, store jobs.Store, in *input) error {
	checker, err := vendorChecker(c, store)
	if err != nil {
		return err
	}
	rowLimit, err := maxRows(c)
	if err != nil {
		return err
	}
	batch := c.String(intoFlag.Name)
	limits := orchestrator.Limits{Rows: rowLimit, Room: func() error { return roomForWork(c.Context, store, c.String(dbFlag.Name)) }}
	options := jobs.AmendOptions{Columns: in.spec.Columns, Fields: in.fields, By: c.String(byFlag.Name), Again: c.Bool(againFlag.Name),
		TempDir: filepath.Dir(c.String(dbFlag.Name))}
	done, err := orchestrator.AmendBatch(c.Context, store, checker, batch, limits.Guard(in.rows), options, clock)
	unchecked := errors.Is(err, jobs.ErrUnchecked)
	var wrong *jobs.AmendError
	switch {
	case errors.As(err, &wrong):
		return badUsage("%s: %w%s", in.spec.Source, err, amendOptions[wrong.Option])
	case errors.Is(err, orchestrator.ErrInput):
		return badUsage("%s: %w", in.spec.Source, err)
	case errors.Is(err, jobs.ErrState) && done == (jobs.AmendCounts{}):
		return badUsage("submit --%s: %w", intoFlag.Name, err)
	case err != nil && !unchecked && done.Amended+done.Queued > 0:
		return fmt.Errorf("%s: %s changed before this error; the same command continues: %w", in.spec.Source, number.Of(done.Amended+done.Queued, "row"), err)
	case err != nil && !unchecked:
		return fmt.Errorf("%s: %w", in.spec.Source, err)
	case unchecked && checker == nil:
		err = fmt.Errorf("%w: no API key: set --api-key or SCREENSHOTCENTER_API_KEY", err)
	}
	if printErr := printAmended(c, batch, done, in.notes); printErr != nil || err != nil {
		return errors.Join(err, printErr)
	}
	b, err := store.Batch(c.Context, batch)
	if err != nil {
		return err
	}
	if err := printRejected(c, store, b); err != nil {
		return err
	}
	switch {
	case c.Bool(waitFlag.Name):
		return waitForBatch(c, store, batch)
	case b.State == jobs.BatchFinished:
		return batchResult(b)
	default:
		return printIdleNote(c, store, batch)
	}
}

// printAmended prints the counts. The JSON contains the notes on the input.
func printAmended(c *cli.Context, batch string, done jobs.AmendCounts, notes []string) error {
	if c.Bool(jsonFlag.Name) {
		return json.NewEncoder(c.App.Writer).Encode(jobjson.AmendedFrom(batch, done, notes))
	}
	text := fmt.Sprintf("batch %s: %s amended", batch, number.Of(done.Amended, "row"))
	for _, other := range []struct {
		n    int
		what string
	}{{done.Queued, "queued again without a change"}, {done.Unchanged, "left as they are"},
		{done.Separated, "duplicates of amended rows became jobs"}, {done.Waiting, "waiting for their earlier screenshot"},
		{done.Done, "found done"}, {done.Skipped, "changed by others in the meantime"}, {done.Unchecked, "not checked with the vendor"}} {
		if other.n > 0 {
			text += fmt.Sprintf(", %d %s", other.n, other.what)
		}
	}
	_, err := fmt.Fprintln(c.App.Writer, text)
	return err
}
