package main

import (
	"github.com/urfave/cli/v2"

	"shotline/jobs"
)

var (
	budgetFlag = &cli.StringFlag{Name: "budget", Usage: "pause the batch before it costs more than `CREDITS`"}

	newBudgetFlag = &cli.StringFlag{Name: "budget", Usage: "first set the budget of the batch to `CREDITS`, or none to remove it"}

	dailyBudgetFlag = &cli.StringFlag{
		Name: "daily-budget", EnvVars: []string{"SHOTLINE_DAILY_BUDGET"},
		Usage: "pause all batches until 00:00 UTC before they cost more than `CREDITS` a day, or none to remove this limit; the database keeps it",
	}
)

// budget returns the value of a flag with a budget. If the flag is not given or
// its value is none, it returns nil.
func budget(c *cli.Context, flag string) (*float64, error) {
	text := trimSpace(c.String(flag))
	if !c.IsSet(flag) {
		return nil, nil
	}
	credits, err := jobs.ParseBudget(text)
	if err != nil {
		return nil, badUsage("--%s %q: %w", flag, printable(text), err)
	}
	return credits, nil
}

// setDailyBudget sets the daily budget if the flag is given.
func setDailyBudget(c *cli.Context, store jobs.Store) error {
	if !c.IsSet(dailyBudgetFlag.Name) {
		return nil
	}
	credits, err := budget(c, dailyBudgetFlag.Name)
	if err != nil {
		return err
	}
	return store.SetDailyBudget(c.Context, credits, clock.Now())
}
