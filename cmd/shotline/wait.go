package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/orchestrator/feed"
)

func waitCommand() *cli.Command {
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until a batch or a job has ended; the exit code gives the result",
		ArgsUsage: "BATCH|JOB",
		Flags:     storeFlags(timeoutFlag, noProgressFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			arg, err := oneArgument(c, "a batch or job id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				if id, err := jobs.ParseID(arg); err == nil {
					return waitJob(c, store, id)
				}
				return waitForBatch(c, store, arg)
			})
		},
	}
}

func waitJob(c *cli.Context, store jobs.Store, id jobs.ID) error {
	ctx, cancel, err := withWaitTimeout(c)
	if err != nil {
		return err
	}
	defer cancel()
	j, err := feed.New(c.Context, store).AwaitJob(ctx, id)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return &exitError{exitGaveUp, fmt.Errorf("stopped waiting: job %s is %s", id, j.State)}
	default:
		return err
	}
	if err := printJob(c.App.Writer, j, c.Bool(jsonFlag.Name)); err != nil {
		return err
	}
	if j.State != jobs.Done && j.State != jobs.Duplicate {
		return &exitError{code: exitFlawed}
	}
	return nil
}
