package main

import (
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/orchestrator"
	"shotline/orchestrator/engine"
)

var (
	latestFlag = &cli.StringFlag{Name: "latest", Usage: "the newest batch whose source or tag is `NAME`, instead of BATCH"}
	quietFlag  = &cli.BoolFlag{Name: "quiet", Usage: "print only the id of the new batch"}
)

func rerunCommand() *cli.Command {
	return &cli.Command{
		Name:      "rerun",
		Usage:     "submit the rows of a batch again as a new batch; a running serve does the work",
		ArgsUsage: "BATCH",
		Flags:     storeFlags(latestFlag, waitFlag, timeoutFlag, quietFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			if c.Bool(quietFlag.Name) && c.Bool(jsonFlag.Name) {
				return badUsage("--%s and --%s exclude each other", quietFlag.Name, jsonFlag.Name)
			}
			if c.IsSet(latestFlag.Name) == c.Args().Present() {
				return badUsage("rerun: give the id of a batch, or --%s NAME", latestFlag.Name)
			}
			if !c.IsSet(latestFlag.Name) {
				if _, err := oneArgument(c, "a batch id"); err != nil {
					return err
				}
			}
			log, err := newLogger(c, slog.LevelWarn)
			if err != nil {
				return err
			}
			return withStoreOptions(c, jobs.OpenOptions{Purpose: jobs.ForImport, Logger: log}, func(store jobs.Store) error { return rerun(c, store) })
		},
	}
}

// batchOrLatest returns the batch of the only argument, or that of --latest.
func batchOrLatest(c *cli.Context, store jobs.Store) (jobs.Batch, error) {
	if c.IsSet(latestFlag.Name) {
		b, err := jobs.LatestBatch(c.Context, store, c.String(latestFlag.Name))
		if err != nil {
			err = fmt.Errorf("--%s: %w", latestFlag.Name, err)
		}
		return b, err
	}
	return store.Batch(c.Context, c.Args().First())
}

func rerun(c *cli.Context, store jobs.Store) error {
	old, err := batchOrLatest(c, store)
	if err != nil {
		return err
	}
	if old.State == jobs.BatchImporting {
		return badUsage("rerun %s: it is importing", old.ID)
	}
	b, err := importAgain(c, store, old)
	if err != nil {
		return fmt.Errorf("rerun %s: %w", old.ID, err)
	}
	if c.Bool(quietFlag.Name) {
		_, err = fmt.Fprintln(c.App.Writer, b.ID)
	} else {
		err = printAccepted(c.App.Writer, b, nil, c.Bool(jsonFlag.Name))
	}
	if err != nil {
		return err
	}
	switch {
	case c.Bool(waitFlag.Name):
		return waitForBatch(c, store, b.ID)
	case b.State == jobs.BatchFinished:
		return batchResult(b) // no row of the batch could become a job
	}
	return nil
}

// importAgain makes a new batch of the requests of a batch.
func importAgain(c *cli.Context, store jobs.Store, old jobs.Batch) (jobs.Batch, error) {
	p := newProgress(progressWriter(c))
	defer p.end()
	limits := orchestrator.Limits{Room: func() error { return roomForWork(c.Context, store, c.String(dbFlag.Name)) }}
	rows := limits.Guard(jobs.NewRereader(c.Context, store, old.ID))
	b, err := orchestrator.Import(c.Context, store, jobs.RerunSpec(old, engine.NewID()), rows, clock, orchestrator.ImportOptions{Progress: p.rows})
	if c.Context.Err() != nil && err != nil {
		return b, &exitError{exitFailed, fmt.Errorf("interrupted: nothing was submitted")}
	}
	return b, err
}
