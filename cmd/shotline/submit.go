package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/orchestrator"
)

var (
	waitFlag    = &cli.BoolFlag{Name: "wait", Usage: "wait until every row has ended"}
	timeoutFlag = &cli.DurationFlag{Name: "timeout", Usage: "give up waiting after this `DURATION` (exit code 4)", DefaultText: "none"}
)

func submitCommand() *cli.Command {
	return &cli.Command{
		Name:      "submit",
		Usage:     "put a list of URLs into the database; a running serve does the work",
		ArgsUsage: "FILE|-|URL…",
		Flags:     storeFlags(append(inputFlags(), appIDFlag, waitFlag, timeoutFlag, jsonFlag)...),
		Action:    submit,
	}
}

func submit(c *cli.Context) error {
	in, err := openInput(c)
	if err != nil {
		return err
	}
	defer in.Close()
	store, err := openStore(c.Context, c.String(dbFlag.Name))
	if err != nil {
		return err
	}
	defer store.Close()

	b, err := importInput(c, store, in)
	if err != nil {
		return err
	}
	if err := printAccepted(c.App.Writer, b, c.Bool(jsonFlag.Name)); err != nil {
		return err
	}
	if !c.Bool(waitFlag.Name) {
		return nil
	}
	if b, err = waitForBatch(c, store, b.ID); err != nil {
		return err
	}
	return verdict(b)
}

// printAccepted tells what became of the rows of an input.
func printAccepted(w io.Writer, b jobs.Batch, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			BatchID    string `json:"batch_id"`
			Rows       int64  `json:"rows"`
			Accepted   int64  `json:"accepted"`
			Duplicates int64  `json:"duplicates"`
			Rejected   int64  `json:"rejected"`
		}{b.ID, b.Counts.Rows, b.Counts.Accepted(), b.Counts.Of(jobs.Duplicate), b.Counts.Of(jobs.Rejected)})
	}
	_, err := fmt.Fprintf(w, "batch %s: %d rows, %d accepted, %d duplicates, %d rejected\n",
		b.ID, b.Counts.Rows, b.Counts.Accepted(), b.Counts.Of(jobs.Duplicate), b.Counts.Of(jobs.Rejected))
	return err
}

// waitForBatch shows progress until the batch has ended. It says so when no
// worker is there to do the work.
func waitForBatch(c *cli.Context, store jobs.Store, id string) (jobs.Batch, error) {
	ctx := c.Context
	if limit := c.Duration(timeoutFlag.Name); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	workers, err := store.Workers(ctx, clock.Now().Add(-orchestrator.WorkerAlive))
	if err != nil {
		return jobs.Batch{}, err
	}
	if len(workers) == 0 {
		fmt.Fprintln(c.App.ErrWriter, "nobody is working on this database yet: start `shotline serve` with the same --db")
	}
	p := newProgress(c.App.ErrWriter)
	defer p.end()
	return awaitBatch(ctx, store, id, p)
}

// awaitBatch gives the ways in which waiting can end their exit codes.
func awaitBatch(ctx context.Context, store jobs.Store, id string, p *progress) (jobs.Batch, error) {
	began := time.Now()
	b, err := orchestrator.Await(ctx, store, id, clock, p.batch)
	switch {
	case err == nil:
		return b, nil
	case context.Cause(ctx) == context.DeadlineExceeded:
		return b, &exitError{exitGaveUp, fmt.Errorf("gave up after %s: %d of %d rows of batch %s have not ended",
			time.Since(began).Round(time.Second), b.Counts.Open(), b.Counts.Rows, id)}
	case ctx.Err() != nil:
		return b, &exitError{exitGaveUp, fmt.Errorf("interrupted: %d of %d rows of batch %s have not ended", b.Counts.Open(), b.Counts.Rows, id)}
	default:
		return b, err
	}
}
