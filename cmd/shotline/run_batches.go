package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/number"
)

var batchFlag = &cli.StringSliceFlag{Name: "batch", Usage: "also work on the batch with this `ID` from an earlier run or submit, or on all (repeatable; FILE is optional then)"}

const allBatches = "all"

// chosenBatches are the batches that --batch selects.
type chosenBatches struct {
	all     bool     // work on all batches of the database
	only    []string // if not all: the batches to work on
	awaited []string // the batches to wait for
}

// chooseBatches parses --batch.
func chooseBatches(c *cli.Context, store jobs.Store) (chosen chosenBatches, err error) {
	given := listValues(c, batchFlag.Name)
	if chosen.all = slices.Contains(given, allBatches); chosen.all {
		if len(given) > 1 {
			return chosen, badUsage("--batch all includes every other --batch")
		}
		out, err := store.Outstanding(c.Context)
		if err != nil {
			return chosen, err
		}
		given = out.Unfinished
	}
	for _, id := range given {
		b, err := store.Batch(c.Context, id)
		if err != nil {
			return chosen, err
		}
		switch {
		case b.State == jobs.BatchImporting:
			return chosen, badUsage("--batch %s: it is importing", id)
		case b.State == jobs.BatchPaused && chosen.all:
			fmt.Fprintf(c.App.ErrWriter, "batch %s is paused: to continue, run `shotline resume %s`\n", id, id)
			continue
		case b.State == jobs.BatchPaused:
			return chosen, badUsage("--batch %s: it is paused; to continue, run `shotline resume %s`", id, id)
		}
		if !slices.Contains(chosen.awaited, id) {
			chosen.awaited = append(chosen.awaited, id)
		}
	}
	if !chosen.all {
		chosen.only = chosen.awaited
	}
	return chosen, nil
}

// maxUnfinished is how many unfinished batches printWaiting examines.
const maxUnfinished = 1000

// printWaiting prints a line about open batches that neither this run nor another
// process works on, and how to continue them. It skips paused batches, because a
// user has to resume them.
func (chosen chosenBatches) printWaiting(c *cli.Context, store jobs.Store) error {
	if chosen.all {
		return nil
	}
	out, err := store.Outstanding(c.Context)
	if err != nil {
		return err
	}
	workers, err := store.Workers(c.Context, clock.Now().Add(-jobs.WorkerAlive))
	if err != nil {
		return err
	}
	var waiting []string
	var rows int64
	for _, id := range out.Unfinished[:min(len(out.Unfinished), maxUnfinished)] {
		if slices.Contains(chosen.only, id) || slices.ContainsFunc(workers, func(w jobs.Worker) bool { return w.WorksOn(id) }) {
			continue
		}
		b, err := store.Batch(c.Context, id)
		if err != nil {
			return err
		}
		if open := b.Counts.Open(); open > 0 && b.State == jobs.BatchOpen {
			waiting, rows = append(waiting, id), rows+open
		}
	}
	switch len(waiting) {
	case 0:
		return nil
	case 1:
		fmt.Fprintf(c.App.ErrWriter, "batch %s is waiting (%s): to continue, run `%s`\n", waiting[0], number.Of(rows, "row"), continueCommand(c, waiting[0]))
	default:
		more := ""
		if len(out.Unfinished) > maxUnfinished {
			more = "at least "
		}
		fmt.Fprintf(c.App.ErrWriter, "%s%d other batches are waiting (%s): to continue, run `%s`\n", more, len(waiting), number.Of(rows, "row"), continueCommand(c, allBatches))
	}
	return nil
}

// continueCommand returns the command that continues a batch. A serve continues
// it, too.
func continueCommand(c *cli.Context, batch string) string {
	if findFlag(c.Command.Flags, batchFlag.Name) == nil {
		return "" // demo: its sandbox is gone
	}
	command := []string{"shotline", "run", "--batch", batch}
	if c.IsSet(dbFlag.Name) {
		command = append(command, "--db", c.String(dbFlag.Name))
	}
	return strings.Join(command, " ")
}
