package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator"
	"shotline/orchestrator/engine"
	"shotline/receiver/listener"
)

var clock orchestrator.SystemClock

// userAgent identifies this program to the vendor and to callback targets.
func userAgent() string { return "shotline/" + version }

// work is the configuration of a process that works on jobs: its engine and its
// listeners.
type work struct {
	engine.Config
	database string       // the --db of Store
	listen   string       // address for webhooks, if the engine receives any
	listener net.Listener // replaces listen if not nil
	api      apiSettings
	outputs  *client.Client // downloads images for the API
	keep     keepFiles      // which files to save
}

// workFrom parses the work flags. The caller opens the database.
func workFrom(c *cli.Context, log *slog.Logger) (w work, err error) {
	if w.Config, err = durationsFrom(c); err != nil {
		return w, err
	}
	if w.APIKey, err = apiKey(c); err != nil {
		return w, err
	}
	if w.Apps, err = apps(c); err != nil {
		return w, err
	}
	w.database, w.BaseURL, w.RedisURL = c.String(dbFlag.Name), c.String(baseURLFlag.Name), c.String(redisFlag.Name)
	w.WebhookSecrets, w.SignatureHeaders = c.StringSlice(secretFlag.Name), c.StringSlice(headerFlag.Name)
	w.InsecureNoSecret = c.Bool(insecureFlag.Name)
	w.Concurrency, w.Rate = c.Int(concurrencyFlag.Name), c.Float64(rateFlag.Name)
	w.UserAgent, w.Logger = userAgent(), log
	w.listen = listenAddress(c)
	if w.WebhookPath, err = webhookPath(c); err != nil {
		return w, err
	}
	return w, withFlagName(w.Check())
}

// fieldFlags maps fields of the engine's configuration to their flags.
var fieldFlags = map[string]string{
	"APIKey": apiKeyFlag.Name, "BaseURL": baseURLFlag.Name, "RedisURL": redisFlag.Name,
	"WebhookSecrets": secretFlag.Name, "SignatureHeaders": headerFlag.Name,
	"RequestTimeout": requestTimeoutFlag.Name, "Concurrency": concurrencyFlag.Name, "Rate": rateFlag.Name,
}

// withFlagName replaces the name of a configuration field in an error with the
// name of its flag.
func withFlagName(err error) error {
	var wrong *engine.FieldError
	if !errors.As(err, &wrong) {
		return err
	}
	if flag, known := fieldFlags[wrong.Field]; known {
		return badUsage("--%s %w", flag, wrong.Err)
	}
	return badUsage("%w", err)
}

// vendorFrom returns a client of the vendor. The engine has its own.
func vendorFrom(c *cli.Context, key string, more ...client.Option) (*client.Client, error) {
	share := processShares(c.String(redisFlag.Name) != "")
	vendor, err := client.New(append(more, client.WithAPIKey(key), client.WithMaxConnections(share.outputs), client.WithBaseURL(c.String(baseURLFlag.Name)),
		client.WithTimeout(c.Duration(requestTimeoutFlag.Name)), client.WithUserAgent(userAgent()))...)
	if err != nil {
		return nil, badUsage("%w", err)
	}
	return vendor, nil
}

// balance returns the credits of the account.
func (w work) balance(ctx context.Context) (float64, error) {
	account, err := w.outputs.Account(ctx)
	return account.Balance, err
}

// durationsFrom parses the durations. A duration keeps its default if the command
// has no flag for it.
func durationsFrom(c *cli.Context) (config engine.Config, err error) {
	config.Role = c.Command.Name
	for _, of := range []struct {
		flag *cli.DurationFlag
		sets *time.Duration
	}{
		{jobTimeoutFlag, &config.JobTimeout}, {deadlineGraceFlag, &config.DeadlineGrace},
		{requestTimeoutFlag, &config.RequestTimeout}, {settleFlag, &config.Settle},
		{keepForeignFlag, &config.KeepForeign}, {keepDeliveriesFlag, &config.KeepDeliveries}, {keepEventsFlag, &config.KeepEvents},
	} {
		if findFlag(c.Command.Flags, of.flag.Name) == nil {
			continue
		}
		if *of.sets = c.Duration(of.flag.Name); *of.sets <= 0 {
			return config, badUsage("--%s must be above zero", of.flag.Name)
		}
	}
	if findFlag(c.Command.Flags, auditWindowFlag.Name) != nil {
		switch config.AuditWindow = c.Duration(auditWindowFlag.Name); {
		case config.AuditWindow < 0:
			return config, badUsage("--%s %s is negative", auditWindowFlag.Name, config.AuditWindow)
		case config.AuditWindow == 0:
			config.AuditWindow = -1 // disables the audit
		}
	}
	return config, nil
}

// openStore opens the store of a process that works on jobs.
func (w work) openStore(ctx context.Context) (jobs.Store, error) {
	cache := processShares(w.RedisURL != "").cache
	return openStore(ctx, w.database, jobs.OpenOptions{Purpose: jobs.ForWork, CacheBytes: cache, Logger: w.Logger})
}

// running is a started engine with its servers.
type running struct {
	*engine.Engine
	server  *http.Server // for webhooks; nil if there is none
	address net.Addr     // of server; nil if there is none
	api     *apiServer   // nil if there is none
	guards  []*listener.Listener
	served  chan error // receives the result of Serve from each server
	log     *slog.Logger
}

// start starts the engine and the servers. They run until stop.
func (w work) start(ctx context.Context) (_ *running, err error) {
	r := &running{log: w.Logger, served: make(chan error, 2)}
	share := processShares(w.RedisURL != "")
	w.applyShares(share)
	hooks := w.listener
	defer func() {
		if err != nil {
			err = errors.Join(err, closeListener(hooks), r.api.close())
		}
	}()
	if w.ReceivesWebhooks() && hooks == nil {
		if hooks, err = listen(listenFlag.Name, w.listen); err != nil {
			return nil, err
		}
	}
	if w.api.listen != "" {
		if r.api, err = newAPIServer(w, r, share.api); err != nil {
			return nil, err
		}
		r.api.observe(&w.Config)
	}
	if r.Engine, err = engine.Open(ctx, w.Config); err != nil {
		return nil, withFlagName(err)
	}
	if r.api != nil {
		err = r.api.open(w, r.Orchestrator())
	}
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	var guarded *listener.Listener
	if w.ReceivesWebhooks() {
		r.server, r.address = newWebhookServer(w.WebhookPath, r.Webhooks(), r.MisdirectedWebhooks(), w.Logger), hooks.Addr()
		guarded = guardWebhooks(hooks, r.server, share.webhooks, w.Logger)
		r.guards = append(r.guards, guarded)
	}
	if r.api != nil {
		r.guards = append(r.guards, r.api.guard)
		go func() { r.served <- r.api.server.Serve(r.api.guard) }()
	}
	if guarded != nil {
		go func() { r.served <- r.server.Serve(guarded) }()
	}
	return r, nil
}

// stop stops accepting work, finishes or hands back the work in progress, and
// returns within ten seconds.
func (r *running) stop() {
	r.Drain()
	var ending sync.WaitGroup
	if r.server != nil {
		ending.Go(func() { shutDown(r.server, r.log) })
	}
	if r.api != nil {
		ending.Go(func() { shutDown(r.api.server, r.log) })
	}
	ending.Wait()
	if err := r.Stop(); err != nil {
		r.log.Warn("stop engine", "error", err)
	}
}
