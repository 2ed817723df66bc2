package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/orchestrator"
)

var retryStateFlag = &cli.StringSliceFlag{Name: "state", Usage: "only jobs that ended in this `STATE`: failed, timed_out or canceled " +
	"(repeatable, or comma-separated; of a batch, failed and timed_out unless given)"}

func retryCommand() *cli.Command {
	return &cli.Command{
		Name:      "retry",
		Usage:     "queue jobs again that ended without an image; a running serve does the work",
		ArgsUsage: "BATCH|JOB",
		Flags:     storeFlags(retryStateFlag, apiKeyFlag, baseURLFlag, jobTimeoutFlag, requestTimeoutFlag, logFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			arg, err := oneArgument(c, "a batch or job id")
			if err != nil {
				return err
			}
			states, err := endedStates(c)
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return retry(c, store, arg, states) })
		},
	}
}

// endedStates parses --state. It returns nil if the flag is not set.
func endedStates(c *cli.Context) (states []jobs.State, err error) {
	for _, name := range listValues(c, retryStateFlag.Name) {
		state := jobs.State(name)
		if !slices.Contains(jobs.Retriable, state) {
			return nil, badUsage("--state %q: want one of %v", name, jobs.Retriable)
		}
		states = append(states, state)
	}
	return states, nil
}

func retry(c *cli.Context, store jobs.Store, arg string, states []jobs.State) error {
	checker, err := vendorChecker(c, store)
	if err != nil {
		return err
	}
	var done jobs.RetryCounts
	var others map[jobs.State]int64 // rows of the batch in other states
	id, err := jobs.ParseID(arg)
	isJob := err == nil
	batch := arg
	if isJob {
		batch = id.Batch
		done, err = retryJob(c, store, checker, id, states)
	} else {
		if states == nil {
			states = []jobs.State{jobs.Failed, jobs.TimedOut}
		}
		b, readErr := store.Batch(c.Context, arg)
		if readErr != nil {
			return readErr
		}
		others = b.Counts.Except(states)
		done, err = orchestrator.RetryBatch(c.Context, store, checker, arg, states, clock)
	}
	if errors.Is(err, jobs.ErrState) {
		return badUsage("retry %s: it is importing", subjectOf(arg, isJob))
	}
	unchecked := errors.Is(err, jobs.ErrUnchecked)
	if err != nil && !unchecked {
		return err
	}
	if unchecked && checker == nil {
		err = fmt.Errorf("%w: no API key: set --api-key or SCREENSHOTCENTER_API_KEY", err)
	}
	printErr := printRetried(c, subjectOf(arg, isJob), done, others)
	if printErr == nil && done.Queued > 0 {
		printErr = printIdleNote(c, store, batch)
	}
	return errors.Join(err, printErr)
}

// retryJob retries one job. It returns an error if the state of the job is not
// one of the given states, or cannot be retried.
func retryJob(c *cli.Context, store jobs.Store, checker orchestrator.Checker, id jobs.ID, states []jobs.State) (done jobs.RetryCounts, err error) {
	j, err := store.Job(c.Context, id)
	if err != nil {
		return done, err
	}
	if states == nil {
		states = jobs.Retriable
	}
	switch {
	case j.State == jobs.Duplicate:
		return done, badUsage("retry job %s: it is a duplicate of %s; retry that one", id, jobs.ID{Batch: id.Batch, Row: j.DuplicateOf})
	case !slices.Contains(states, j.State):
		return done, badUsage("retry job %s: it is %s", id, j.State)
	}
	return orchestrator.RetryJob(c.Context, store, checker, id, states, clock)
}

func printRetried(c *cli.Context, about subject, done jobs.RetryCounts, others map[jobs.State]int64) error {
	if c.Bool(jsonFlag.Name) {
		return json.NewEncoder(c.App.Writer).Encode(struct {
			subject
			Queued    int                  `json:"queued"`
			Done      int                  `json:"done"`
			Left      int                  `json:"left"`
			Unchecked int                  `json:"unasked"`
			Waiting   int                  `json:"waiting"`
			LeftAlone map[jobs.State]int64 `json:"left_alone,omitempty"`
		}{about, done.Queued, done.Done, done.Skipped, done.Unchecked, done.Waiting, others})
	}
	text := fmt.Sprintf("%d queued again", done.Queued)
	for _, other := range []struct {
		n    int
		what string
	}{{done.Waiting, "waiting for their earlier screenshot"}, {done.Done, "found done"},
		{done.Skipped, "retried or canceled by others in the meantime"}, {done.Unchecked, "not checked with the vendor"}} {
		if other.n > 0 {
			text += fmt.Sprintf(", %d %s", other.n, other.what)
		}
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: %s\n%s", about, text, skippedText(others))
	return err
}

// skippedText lists the rows of a batch that were not retried, with the flag that
// would retry them if there is one.
func skippedText(others map[jobs.State]int64) string {
	var parts []string
	for _, state := range jobs.States {
		n := others[state]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, state)
		if slices.Contains(jobs.Retriable, state) {
			part += fmt.Sprintf(" (--%s %s)", retryStateFlag.Name, state)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return "skipped: " + strings.Join(parts, ", ") + "\n"
}

// vendorChecker returns a checker that queries the vendor about jobs that might
// already have a screenshot. Without an API key it returns nil, because other
// jobs do not need one.
func vendorChecker(c *cli.Context, store jobs.Store) (orchestrator.Checker, error) {
	key := strings.TrimSpace(c.String(apiKeyFlag.Name))
	if key == "" {
		return nil, nil
	}
	log, err := newLogger(c, slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	checker, err := orchestratorFrom(c, store, key, log)
	if err != nil {
		return nil, err // a nil interface, not a nil *Orchestrator
	}
	return checker, nil
}
