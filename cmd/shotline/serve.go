package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/urfave/cli/v2"

	"shotline/jobs/sqlite"
	"shotline/orchestrator"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "receive webhooks and do the work of all batches in the database, until stopped",
		Flags: storeFlags(append(append(workFlags(), apiFlags()...), keepForeignFlag, keepDeliveriesFlag, keepEventsFlag,
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
	w, err := workFrom(c, nil, log)
	if err != nil {
		return err
	}
	if len(w.secrets) == 0 && !w.insecure {
		return badUsage("no webhook secret: set --webhook-secret or WEBHOOK_SECRET (or --insecure-no-secret, and then anybody can close jobs)")
	}
	if w.api, err = apiSettingsFrom(c); err != nil {
		return err
	}
	if w.callbacks, err = callbacksFrom(c); err != nil {
		return err
	}
	if w.outputs, err = outputsFrom(c, w.callbacks.Guard); err != nil {
		return err
	}
	if w.store, err = openStore(ctx, c.String(dbFlag.Name), sqlite.WithCheck()); err != nil {
		return err
	}
	defer w.store.Close()

	w.receive = true
	w.config.Poll = orchestrator.PollBackup
	if len(w.config.Apps) == 0 {
		log.Warn("no --app-id: the vendor sends no webhooks for batches that name none, so results are polled for")
		w.config.Poll = orchestrator.PollOnly
	}
	r, err := w.start(ctx)
	if err != nil {
		return err
	}
	log.Info("serving", "webhooks", "http://"+r.address.String()+WebhookPath, "database", c.String(dbFlag.Name),
		"api", r.apiURL(), "queue", r.queue.Describe(), "vendor", c.String(baseURLFlag.Name), "version", version)
	if len(w.callbacks.Sinks) > 0 && len(w.callbacks.Secrets) == 0 {
		log.Warn("no --callback-secret: sinks get unsigned callbacks, and callback URLs are refused")
	}
	if len(w.secrets) == 0 {
		log.Warn("webhooks are not verified: anybody who reaches the address can close jobs")
	}
	err = waitForEnd(ctx, r)
	log.Info("stopping")
	r.stop()
	log.Info("stopped")
	return err
}

// waitForEnd returns when the process is asked to stop, or with the error that
// ended a web server.
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
