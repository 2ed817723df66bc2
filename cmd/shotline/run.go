package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/number"
	"shotline/jobs/summary"
	"shotline/orchestrator/feed"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "submit a list of URLs, do the work, wait and print a summary, in one process",
		ArgsUsage: "FILE…|-|URL…",
		Flags: storeFlags(slices.Concat(inputFlags(), workFlags(), []cli.Flag{
			batchFlag, againFlag, downloadFlag, fileNameFlag, imageModeFlag,
			&cli.BoolFlag{Name: "poll", Usage: "poll for results instead of listening for webhooks"},
			timeoutFlag, noProgressFlag, jsonFlag,
		})...),
		Action: runFile,
	}
}

func runFile(c *cli.Context) error {
	log, err := newLogger(c, slog.LevelWarn)
	if err != nil {
		return err
	}
	var in *input // nil if the command only continues batches
	if c.Args().Present() || len(c.StringSlice(batchFlag.Name)) == 0 {
		if in, err = openInput(c); err != nil {
			return err
		}
		defer in.Close()
		in.printNotes(c.App.ErrWriter)
	}
	if c.Bool(dryRunFlag.Name) {
		if in == nil {
			return badUsage("--%s needs a file or URLs", dryRunFlag.Name)
		}
		return dryRun(c, in)
	}
	w, err := workFrom(c, log)
	if err != nil {
		return err
	}
	var columns [][]string // of the input
	if in != nil {
		columns = append(columns, in.spec.Columns)
	}
	if w.keep, err = w.keepFilesFrom(c, columns...); err != nil {
		return err
	}
	w.Downloads.Once = true
	if w.Store, err = w.openStore(c.Context); err != nil {
		return err
	}
	defer w.Store.Close()
	if err := setDailyBudget(c, w.Store); err != nil {
		return err
	}
	if err := w.chooseResultSource(c.Context, c.Bool("poll")); err != nil {
		return err
	}
	chosen, err := chooseBatches(c, w.Store)
	if err != nil {
		return err
	}
	if w.Batches = chosen.only; in != nil && !chosen.all {
		w.Batches = append([]string{in.spec.ID}, chosen.only...)
	}
	for _, id := range chosen.awaited {
		b, err := w.Store.Batch(c.Context, id)
		if err != nil {
			return err
		}
		if w.keep.folder != "" {
			if err := w.keep.check(b.Columns, "batch "+id); err != nil {
				return err
			}
		}
	}
	if err := chosen.printWaiting(c, w.Store); err != nil {
		return err
	}
	ended, err := runBatches(c, w, in, chosen.awaited)
	var incomplete *exitError // files could not be saved
	if errors.As(err, &incomplete) && incomplete.code == exitFlawed {
		err = nil
	}
	if err != nil {
		return err
	}
	for _, b := range ended {
		err = errors.Join(err, printSummary(c, w.Store, b.ID))
	}
	if err != nil {
		return err
	}
	for _, b := range ended {
		if err := batchResult(b); err != nil {
			return err
		}
	}
	if incomplete != nil {
		return incomplete
	}
	return nil
}

// chooseResultSource decides how results arrive: through a running serve that
// receives webhooks for this database, through webhooks to this process, or by
// polling.
func (w *work) chooseResultSource(ctx context.Context, pollOnly bool) error {
	workers, err := w.Store.Workers(ctx, clock.Now().Add(-jobs.WorkerAlive))
	if err != nil {
		return err
	}
	received := slices.ContainsFunc(workers, func(other jobs.Worker) bool { return other.Receives })
	able := len(w.Apps) > 0 && w.ReceivesWebhooks()
	switch {
	case pollOnly:
		w.Apps = nil // no process would receive the webhooks
	case received:
		w.WebhooksElsewhere = true
	case able:
		return nil
	default:
		w.Logger.Info("no --app-id and --webhook-secret: polling for results")
	}
	w.WebhookSecrets, w.InsecureNoSecret = nil, false
	return nil
}

// runBatches works in this process until the batch of the input, if there is one,
// and the other batches have ended and have summaries, and their files are saved
// if that is ordered. The error has the code exitFlawed if files could not be
// saved.
func runBatches(c *cli.Context, w work, in *input, others []string) ([]jobs.Batch, error) {
	ctx, cancel, err := withWaitTimeout(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	r, err := w.start(c.Context)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	defer context.AfterFunc(c.Context, func() {
		fmt.Fprintln(c.App.ErrWriter, "stopping: finishing creates in progress; interrupt again to stop at once")
	})()
	awaited := others
	if in != nil {
		b, err := importInput(c, w.Store, in)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(c.App.ErrWriter, "batch %s: %s\n", b.ID, number.Of(b.Counts.Rows, "row"))
		if err := printRejected(c, w.Store, b); err != nil {
			return nil, err
		}
		awaited = append([]string{b.ID}, others...)
	}
	if err := w.orderFiles(c.Context, awaited); err != nil {
		return nil, err
	}
	ended := make([]jobs.Batch, len(awaited))
	for i, id := range awaited {
		if ended[i], err = runToEnd(ctx, c, w, r, id); err != nil {
			return nil, err
		}
	}
	var missing error
	for _, id := range awaited {
		err := awaitFiles(ctx, c, w.Store, id)
		if err != nil && exitCode(err) != exitFlawed {
			return nil, err
		}
		missing = errors.Join(missing, err)
	}
	if err := w.finishManifests(ctx, awaited); err != nil {
		return nil, err
	}
	return ended, missing
}

// runToEnd waits until a batch has ended and has a summary.
func runToEnd(ctx context.Context, c *cli.Context, w work, r *running, id string) (jobs.Batch, error) {
	b, err := awaitBatch(ctx, w.Store, id, progressWriter(c))
	if errors.Is(err, feed.ErrPaused) {
		return b, fmt.Errorf("%w; its jobs stay queued: fix the cause, then run `shotline resume %s` and `%s`", err, id, continueCommand(c, id))
	}
	if ended := (*exitError)(nil); errors.As(err, &ended) && continueCommand(c, id) != "" {
		return b, &exitError{ended.code, fmt.Errorf("%w; to continue, run `%s`", ended.err, continueCommand(c, id))}
	}
	if err != nil {
		return b, err
	}
	// The summary task has had time to run while we waited. If the vendor cannot be
	// queried for costs and reasons now, the batch has still ended.
	if err := r.Orchestrator().SummarizeBatch(ctx, b.ID); err != nil {
		w.Logger.Warn("the summary lacks costs or reasons", "batch", b.ID, "error", err)
	}
	return w.Store.Batch(ctx, b.ID)
}

// printSummary prints the summary of a batch as text, or as JSON with --json.
func printSummary(c *cli.Context, store jobs.Store, batch string) error {
	s, err := summary.Load(c.Context, store, batch, clock.Now())
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		return summary.WriteJSON(c.App.Writer, s)
	}
	return writeSummaryText(c.App.Writer, s)
}
