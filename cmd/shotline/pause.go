package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
)

func pauseCommand() *cli.Command {
	return batchCommand("pause", "stop submitting the jobs of a batch", func(c *cli.Context, store jobs.Store, batch string) error {
		return store.Pause(c.Context, batch, "", clock.Now())
	})
}

func resumeCommand() *cli.Command {
	command := batchCommand("resume", "continue to submit the jobs of a paused batch", resume)
	command.Flags = append(command.Flags, newBudgetFlag)
	return command
}

func resume(c *cli.Context, store jobs.Store, batch string) error {
	if c.IsSet(newBudgetFlag.Name) {
		credits, err := budget(c, newBudgetFlag.Name)
		if err != nil {
			return err
		}
		err = store.SetBudget(c.Context, batch, credits)
		if errors.Is(err, jobs.ErrInvalid) {
			return badUsage("--%s: %w", newBudgetFlag.Name, err)
		}
		if err != nil {
			return err
		}
	}
	return store.Resume(c.Context, batch, clock.Now())
}

// batchCommand returns a command that changes one batch and prints its new
// status.
func batchCommand(name, usage string, do func(c *cli.Context, store jobs.Store, batch string) error) *cli.Command {
	return &cli.Command{
		Name:      name,
		Usage:     usage,
		ArgsUsage: "BATCH",
		Flags:     storeFlags(jsonFlag),
		Action: func(c *cli.Context) error {
			batch, err := oneArgument(c, "a batch id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error {
				err := do(c, store, batch)
				if errors.Is(err, jobs.ErrState) {
					b, readErr := store.Batch(c.Context, batch)
					if readErr != nil {
						return readErr
					}
					return badUsage("%s batch %s: it is %s", name, batch, b.State)
				}
				if err != nil {
					return err
				}
				return status(c, store, batch)
			})
		},
	}
}
