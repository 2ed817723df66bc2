package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/orchestrator/feed"
)

var (
	waitFlag       = &cli.BoolFlag{Name: "wait", Usage: "wait until every row has ended"}
	noProgressFlag = &cli.BoolFlag{Name: "quiet", Usage: "show no progress"}
	timeoutFlag    = &cli.DurationFlag{Name: "timeout", Usage: "give up waiting after this `DURATION` (exit code 4)", DefaultText: "none"}
)

func submitCommand() *cli.Command {
	return &cli.Command{
		Name:      "submit",
		Usage:     "store a list of URLs in the database; a running serve does the work",
		ArgsUsage: "FILE…|-|URL…",
		Flags: storeFlags(append(inputFlags(), appIDFlag, waitFlag, timeoutFlag, noProgressFlag, jsonFlag,
			intoFlag, byFlag, againFlag, apiKeyFlag, baseURLFlag, jobTimeoutFlag, requestTimeoutFlag)...),
		Action: submit,
	}
}

func submit(c *cli.Context) error {
	if c.IsSet(intoFlag.Name) {
		return submitInto(c)
	}
	if c.IsSet(byFlag.Name) {
		return badUsage("--%s is only for --%s", byFlag.Name, intoFlag.Name)
	}
	in, err := openInput(c)
	if err != nil {
		return err
	}
	defer in.Close()
	in.printNotes(c.App.ErrWriter)
	if c.Bool(dryRunFlag.Name) {
		return dryRun(c, in)
	}
	log, err := newLogger(c, slog.LevelWarn)
	if err != nil {
		return err
	}
	store, err := openStore(c.Context, c.String(dbFlag.Name), jobs.OpenOptions{Purpose: jobs.ForImport, Logger: log})
	if err != nil {
		return err
	}
	defer store.Close()

	b, err := importInput(c, store, in)
	if err != nil {
		return err
	}
	if err := printAccepted(c.App.Writer, b, in.notes, c.Bool(jsonFlag.Name)); err != nil {
		return err
	}
	if err := printRejected(c, store, b); err != nil {
		return err
	}
	switch {
	case c.Bool(waitFlag.Name):
		return waitForBatch(c, store, b.ID)
	case b.State == jobs.BatchFinished:
		return batchResult(b) // no row of the batch could become a job
	default:
		return nil
	}
}

// maxRejectedShown is how many rejected rows are printed after an import.
const maxRejectedShown = 5

// printRejected prints the first rows that could not become jobs.
func printRejected(c *cli.Context, store jobs.Store, b jobs.Batch) error {
	n := b.Counts.Of(jobs.Rejected)
	if n == 0 {
		return nil
	}
	rejected, err := store.Jobs(c.Context, jobs.JobFilter{Batch: b.ID, States: []jobs.State{jobs.Rejected}, Limit: maxRejectedShown})
	if err != nil {
		return err
	}
	for _, j := range rejected {
		fmt.Fprintf(c.App.ErrWriter, "%s rejected: %s\n", summary.Place(j.ID.Row, j.Line), printable(j.Error))
	}
	if more := n - int64(len(rejected)); more > 0 {
		fmt.Fprintf(c.App.ErrWriter, "and %s more: shotline list %s --state rejected\n", number.Grouped(more), b.ID)
	}
	return nil
}

// printAccepted prints how many rows of an input were accepted. The JSON contains
// the notes on the input.
func printAccepted(w io.Writer, b jobs.Batch, notes []string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(jobjson.AcceptedFrom(b, notes))
	}
	_, err := fmt.Fprintf(w, "batch %s: %s, %d accepted, %s, %d rejected\n",
		b.ID, number.Of(b.Counts.Rows, "row"), b.Counts.Accepted(), number.Of(b.Counts.Of(jobs.Duplicate), "duplicate"), b.Counts.Of(jobs.Rejected))
	return err
}

// waitForBatch shows progress until the batch has ended, then prints its state.
// It prints a note if no process works on the batch.
func waitForBatch(c *cli.Context, store jobs.Store, id string) error {
	ctx, cancel, err := withWaitTimeout(c)
	if err != nil {
		return err
	}
	defer cancel()
	if err := printIdleNote(c, store, id); err != nil {
		return err
	}
	b, err := awaitBatch(ctx, store, id, progressWriter(c))
	if printErr := printBatch(c.App.Writer, b, batchDetails{}, c.Bool(jsonFlag.Name)); printErr != nil {
		return printErr
	}
	if err != nil {
		return err
	}
	return batchResult(b)
}

// printIdleNote prints a note if an open batch makes no progress because it is
// paused or no process works on it.
func printIdleNote(c *cli.Context, store jobs.Store, id string) error {
	b, err := store.Batch(c.Context, id)
	if err != nil || b.State == jobs.BatchFinished {
		return err
	}
	found, err := finding.OfBatch(c.Context, store, b, clock.Now())
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Mend != "" { // the others pass by themselves
			fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", printable(f.Text), f.Mend)
		}
	}
	return nil
}

// hasNoWorker reports whether no process works on the batch. If batch is empty,
// it reports whether no process does the work that does not belong to a batch,
// such as callbacks.
func hasNoWorker(c *cli.Context, store jobs.Store, batch string) (bool, error) {
	workers, err := store.Workers(c.Context, clock.Now().Add(-jobs.WorkerAlive))
	return err == nil && !slices.ContainsFunc(workers, func(w jobs.Worker) bool { return w.WorksOn(batch) }), err
}

// withWaitTimeout returns a context that ends after --timeout. If --timeout is
// 0s, the caller checks once and does not wait.
func withWaitTimeout(c *cli.Context) (context.Context, context.CancelFunc, error) {
	limit := c.Duration(timeoutFlag.Name)
	switch {
	case limit < 0:
		return nil, nil, badUsage("--timeout %s is negative", limit)
	case !c.IsSet(timeoutFlag.Name):
		return c.Context, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(c.Context, limit)
	return ctx, cancel, nil
}

// roundForDisplay rounds a duration for messages.
func roundForDisplay(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// progressWriter returns where progress is shown.
func progressWriter(c *cli.Context) io.Writer {
	if c.Bool(noProgressFlag.Name) {
		return io.Discard
	}
	return c.App.ErrWriter
}

// watchBatch shows the progress of a batch until it has ended, and its state at each
// SIGUSR1.
func watchBatch(ctx context.Context, store jobs.Store, id string, w io.Writer) (jobs.Batch, error) {
	p := &batchProgress{progress: newProgress(w), store: store}
	defer p.end()
	watching, stop := context.WithCancel(ctx)
	defer p.watch(watching, id)()
	defer onStateSignal(watching, p.print)()
	defer stop()
	return feed.New(ctx, store).WatchBatch(ctx, id, p.batch)
}

// awaitBatch waits for the end of a batch and shows its progress. If the wait ends early, the error has
// the exit code for it.
func awaitBatch(ctx context.Context, store jobs.Store, id string, w io.Writer) (jobs.Batch, error) {
	began := time.Now()
	b, err := watchBatch(ctx, store, id, w)
	switch {
	case err == nil:
		return b, nil
	case context.Cause(ctx) == context.DeadlineExceeded:
		return b, &exitError{exitGaveUp, fmt.Errorf("stopped waiting after %s: batch %s has %d of %s open",
			roundForDisplay(time.Since(began)), id, b.Counts.Open(), number.Of(b.Counts.Rows, "row"))}
	case ctx.Err() != nil:
		return b, &exitError{exitGaveUp, fmt.Errorf("interrupted: batch %s has %d of %s open", id, b.Counts.Open(), number.Of(b.Counts.Rows, "row"))}
	default:
		return b, err
	}
}
