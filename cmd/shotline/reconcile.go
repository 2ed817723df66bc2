package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/number"
	"shotline/orchestrator"
)

var olderFlag = &cli.DurationFlag{Name: "older", Value: time.Minute, Usage: "query jobs that have been pending for this `DURATION`"}

func reconcileCommand() *cli.Command {
	return &cli.Command{
		Name:      "reconcile",
		Usage:     "repair and finish pending work in one pass: for cron, and after failures",
		ArgsUsage: "[BATCH…]",
		Flags: storeFlags(olderFlag, apiKeyFlag, baseURLFlag, jobTimeoutFlag, deadlineGraceFlag, requestTimeoutFlag, settleFlag,
			auditWindowFlag, logFlag, jsonFlag),
		Action: func(c *cli.Context) error {
			log, err := newLogger(c, slog.LevelWarn)
			if err != nil {
				return err
			}
			if older := c.Duration(olderFlag.Name); older < 0 {
				return badUsage("--older %s is negative", older)
			}
			return withStore(c, func(store jobs.Store) error { return reconcile(c, store, log) })
		},
	}
}

// reconcile exits with 3 if rows that it ended have no image, and with 1 if
// pending work could not be repaired.
func reconcile(c *cli.Context, store jobs.Store, log *slog.Logger) error {
	o, err := orchestratorFrom(c, store, strings.TrimSpace(c.String(apiKeyFlag.Name)), log)
	if err != nil {
		return err
	}
	began := clock.Now()
	report, err := o.Reconcile(c.Context, orchestrator.ReconcileOptions{Batches: c.Args().Slice(), Older: c.Duration(olderFlag.Name)})
	if errors.Is(err, jobs.ErrNotFound) {
		return err // there is no such batch, and nothing was done
	}
	if printErr := printReconciled(c, report, err, clock.Now().Sub(began)); printErr != nil {
		return printErr
	}
	switch {
	case errors.Is(err, orchestrator.ErrNoKey):
		_, err := apiKey(c)
		return err
	case err != nil:
		return &exitError{exitFailed, err}
	case report.Flawed > 0:
		return &exitError{code: exitFlawed}
	default:
		return nil
	}
}

// printReconciled prints nothing if nothing was done and the output is not a
// terminal, because cron mails all output.
func printReconciled(c *cli.Context, report orchestrator.Reconciled, failure error, took time.Duration) error {
	w := c.App.Writer
	if c.Bool(jsonFlag.Name) {
		text := ""
		if failure != nil {
			text = failure.Error()
		}
		return json.NewEncoder(w).Encode(struct {
			orchestrator.Reconciled
			Error string `json:"error,omitempty"`
		}{report, text})
	}
	if !report.Did() && !isTerminal(w) {
		return nil
	}
	_, err := io.WriteString(w, reconciledText(report, took))
	return err
}

func reconciledText(r orchestrator.Reconciled, took time.Duration) string {
	var s strings.Builder
	if !r.Did() {
		s.WriteString("nothing to repair\n")
	} else {
		fmt.Fprintf(&s, "reconciled in %s, with %s\n", took.Round(time.Millisecond), number.Of(r.Calls, "vendor call"))
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&s, "  %-12s "+format+"\n", append([]any{name}, args...)...)
	}
	if n := r.Ended(); n > 0 {
		var ends []string
		for _, state := range jobs.States {
			if r.Closed[state] > 0 {
				ends = append(ends, fmt.Sprintf("%d %s", r.Closed[state], state))
			}
		}
		line("ended", "%s", number.Of(n, "job")+": "+strings.Join(ends, ", "))
	}
	if r.Late > 0 {
		line("late", "%s of jobs that had ended", number.Of(r.Late, "result"))
	}
	if r.Corrected > 0 {
		line("corrected", "%s whose first result was false", number.Of(r.Corrected, "job"))
	}
	if r.DoubleCharged > 0 {
		line("paid twice", "%s more than requested", number.Of(r.DoubleCharged, "screenshot"))
	}
	if r.Deliveries > 0 {
		line("inbox", "%s applied", number.Of(r.Deliveries, "delivery"))
	}
	if r.Requeued+r.Doubted > 0 {
		line("leases", "%d ended: %d queued again, %d in doubt", r.Requeued+r.Doubted, r.Requeued, r.Doubted)
	}
	if r.Adopted+r.Resent > 0 {
		line("doubts", "%d found, %d had no effect and were queued again", r.Adopted, r.Resent)
	}
	if r.Summaries > 0 {
		line("summaries", "%d computed", r.Summaries)
	}
	for _, batch := range r.Removed {
		line("removed", "the unfinished import %s", batch)
	}
	for _, repaired := range r.Repaired {
		line("recounted", "batch %s: %s", repaired.Batch, strings.Join(repaired.Wrong, "; "))
	}
	for _, batch := range r.Busy {
		line("skipped", "batch %s: another process is checking it", batch)
	}
	var remaining []string
	for _, work := range []struct {
		n     int64
		state string
	}{
		{r.Pending, "pending"}, {r.InDoubt, "in doubt"}, {r.Queued, "queued for a worker"}, {r.Paused, "queued in paused batches"},
		{int64(r.Owed), "summaries due"},
	} {
		if work.n > 0 {
			remaining = append(remaining, fmt.Sprintf("%d %s", work.n, work.state))
		}
	}
	if len(remaining) > 0 {
		line("remaining", "%s", strings.Join(remaining, ", "))
	}
	return s.String()
}
