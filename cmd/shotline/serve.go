package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/jobs/finding"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "receive webhooks and do the work of all batches in the database, until stopped",
		Flags: storeFlags(append(append(workFlags(), apiFlags()...), downloadFlag, fileNameFlag, keepForeignFlag, keepDeliveriesFlag, keepEventsFlag, auditWindowFlag,
			sinkFlag, callbackSecretFlag, callbackRetryFlag, callbackConcurrencyFlag, allowPrivateFlag)...),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return badUsage("serve takes no arguments, got %q", c.Args().First())
			}
			log, err := newLogger(c, slog.LevelInfo)
			if err != nil {
				return err
			}
			return serve(c, log)
		},
	}
}

func serve(c *cli.Context, log *slog.Logger) error {
	ctx := c.Context
	surviveHangups(c, log)
	w, err := workFrom(c, log)
	if err != nil {
		return err
	}
	if !w.ReceivesWebhooks() {
		return badUsage("no webhook secret: set --webhook-secret or WEBHOOK_SECRET (with --insecure-no-secret anybody can close jobs)")
	}
	if w.api, err = apiSettingsFrom(c); err != nil {
		return err
	}
	if w.Callbacks, err = callbacksFrom(c); err != nil {
		return err
	}
	if w.outputs, err = outputsFrom(c); err != nil {
		return err
	}
	if w.keep, err = w.keepFilesFrom(c); err != nil {
		return err
	}
	if w.Store, err = w.openStore(ctx); err != nil {
		return err
	}
	defer w.Store.Close()
	if err := setDailyBudget(c, w.Store); err != nil {
		return err
	}
	if err := orderAllFiles(c, w); err != nil {
		return err
	}

	if len(w.Apps) == 0 {
		log.Warn("no --app-id: the vendor sends no webhooks for batches without an app, so their results are polled")
	}
	r, err := w.start(ctx)
	if err != nil {
		return err
	}
	log.Info("serving", "webhooks", "http://"+r.address.String()+(&url.URL{Path: w.WebhookPath}).EscapedPath(), "database", w.database,
		"api", r.apiURL(), "queue", r.Queue().Describe(), "vendor", w.BaseURL, "version", version)
	if len(w.Callbacks.Sinks) > 0 && len(w.Callbacks.Secrets) == 0 {
		log.Warn("no --callback-secret: callbacks to sinks are unsigned, and callback URLs are refused")
	}
	if len(w.WebhookSecrets) == 0 {
		log.Warn("webhooks are not verified: anybody who can reach the address can close jobs")
	}
	showing, stopShowing := context.WithCancel(ctx)
	shown := onStateSignal(showing, func() { logState(showing, w.Store, log) })
	err = waitForEnd(ctx, r)
	stopShowing()
	shown()
	log.Info("stopping")
	r.stop()
	log.Info("stopped")
	return err
}

// waitForEnd waits until the context is canceled, or until a web server fails and
// returns its error.
func waitForEnd(ctx context.Context, r *running) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.served:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
}

// logState logs what is under way, and what holds the work.
func logState(ctx context.Context, store jobs.Store, log *slog.Logger) {
	out, err := store.Outstanding(ctx)
	if err != nil {
		log.Error("read the state", "error", err)
		return
	}
	found, err := finding.OfWorkers(ctx, store, clock.Now())
	if err != nil {
		log.Error("read the state", "error", err)
		return
	}
	held := make([]string, len(found))
	for i, f := range found {
		held[i] = f.Text
	}
	log.Info("state", "unfinished_batches", len(out.Unfinished), "queued", out.Queued, "paused", out.Paused, "submitting", out.Submitting,
		"in_doubt", out.InDoubt, "pending", out.Pending, "held_by", held)
}
