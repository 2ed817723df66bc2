package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	gonanoid "github.com/matoous/go-nanoid/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
	"shotline/orchestrator/callback"
	"shotline/receiver"
	"shotline/receiver/signature"
)

// WebhookPath is where the vendor's webhook app must be pointed at.
const WebhookPath = "/webhooks/screenshotcenter"

// newID makes ids of batches and workers: ten of [a-z0-9], which no two
// databases of an account will share.
func newID() string { return gonanoid.MustGenerate("0123456789abcdefghijklmnopqrstuvwxyz", 10) }

var clock orchestrator.SystemClock

// work is all that one working process is made of.
type work struct {
	store   jobs.Store
	db      string // the path of its file
	vendor  *client.Client
	secrets []string
	headers []string
	// receive is set when this process listens for webhooks.
	receive   bool
	insecure  bool
	listen    string
	listener  net.Listener // taken instead of listening at listen; nil without one
	api       apiSettings
	outputs   *client.Client // fetches pictures for the API
	queueURL  string
	queueID   string
	callbacks *callback.Config // nil: this process delivers none
	config    orchestrator.Config
	log       *slog.Logger
}

// workFrom reads the work flags. The caller decides about receiving and polling.
func workFrom(c *cli.Context, store jobs.Store, log *slog.Logger) (work, error) {
	key, err := apiKey(c)
	if err != nil {
		return work{}, err
	}
	vendor, err := vendorFrom(c, key)
	if err != nil {
		return work{}, err
	}
	appList, err := apps(c)
	if err != nil {
		return work{}, err
	}
	config, err := timesFrom(c)
	if err != nil {
		return work{}, err
	}
	config.Worker = jobs.Worker{ID: newID(), Role: c.Command.Name, PID: os.Getpid()}
	config.Apps = appList
	if n := c.Int(concurrencyFlag.Name); n < 0 {
		return work{}, badUsage("--concurrency %d is negative", n)
	}
	if rate := c.Float64(rateFlag.Name); !(rate >= 0 && rate <= math.MaxFloat64) {
		return work{}, badUsage("--rate %v: want a number of creates per second", rate)
	}
	config.Concurrency, config.Rate = c.Int(concurrencyFlag.Name), c.Float64(rateFlag.Name)
	return work{
		store: store, db: c.String(dbFlag.Name), vendor: vendor, log: log,
		secrets:  c.StringSlice(secretFlag.Name),
		headers:  c.StringSlice(headerFlag.Name),
		insecure: c.Bool(insecureFlag.Name),
		listen:   listenAddress(c),
		queueURL: c.String(redisFlag.Name),
		queueID:  queueName(c.String(dbFlag.Name)),
		config:   config,
	}, nil
}

// vendorFrom makes the vendor's client.
func vendorFrom(c *cli.Context, key string, more ...client.Option) (*client.Client, error) {
	vendor, err := client.New(append(more, client.WithAPIKey(key), client.WithBaseURL(c.String(baseURLFlag.Name)),
		client.WithTimeout(c.Duration(requestTimeoutFlag.Name)), client.WithUserAgent("shotline/"+version))...)
	if err != nil {
		return nil, badUsage("%w", err)
	}
	return vendor, nil
}

// timesFrom reads the durations; those that the command has no flag for keep
// their defaults.
func timesFrom(c *cli.Context) (config orchestrator.Config, err error) {
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
	return config, nil
}

// queueName keeps databases that share one Redis apart.
func queueName(db string) string {
	if abs, err := filepath.Abs(db); err == nil {
		db = abs
	}
	if real, err := filepath.EvalSymlinks(db); err == nil {
		db = real
	}
	sum := sha256.Sum256([]byte(db))
	return "shotline-" + hex.EncodeToString(sum[:6])
}

func openStore(ctx context.Context, path string, opts ...sqlite.Option) (jobs.Store, error) {
	store, err := sqlite.Open(ctx, path, opts...)
	if err != nil {
		return nil, err // and not a *sqlite.Store that is nil
	}
	return store, nil
}

// running is work that has been started.
type running struct {
	orchestrator *orchestrator.Orchestrator
	queue        *tasks.Queue
	courier      *callback.Courier // nil without callbacks
	server       *http.Server
	address      net.Addr   // nil without a server
	api          *apiServer // nil without one
	served       chan error // what Serve returned, once for each server
	log          *slog.Logger
}

// start joins the parts and lets them run until stop.
func (w work) start(ctx context.Context) (*running, error) {
	r := &running{log: w.log, served: make(chan error, 2)}
	var err error
	if r.queue, err = tasks.Open(ctx, tasks.Options{RedisURL: w.queueURL, Name: w.queueID, Logger: w.log}); err != nil {
		return nil, badUsage("%w", err)
	}
	listener := w.listener
	if w.receive && listener == nil {
		listener, err = listen(listenFlag.Name, w.listen)
	}
	w.config.Worker.Receives = w.receive
	parts := orchestrator.Parts{Store: w.store, Vendor: w.vendor, Queue: r.queue, Clock: clock, Logger: w.log}
	var heard func(result string, took time.Duration) // of webhooks
	if err == nil && w.api.listen != "" {
		if r.api, err = newAPIServer(w, r); err == nil {
			parts.Observer, heard = r.api.metrics, r.api.metrics.Webhook
			parts.Vendor = metered{w.vendor, r.api.metrics}
		}
	}
	if err == nil {
		r.orchestrator, err = orchestrator.New(w.config, parts)
		if err != nil {
			err = badUsage("%w", err)
		}
	}
	if err == nil && r.api != nil {
		err = r.api.open(w, r.orchestrator)
	}
	if err == nil && w.receive {
		r.server, err = w.webhookServer(r.orchestrator, heard)
	}
	if err == nil && w.callbacks != nil {
		r.courier, err = w.newCourier(ctx, r)
	}
	if err == nil {
		err = r.queue.Start(r.orchestrator)
	}
	if err != nil {
		return nil, errors.Join(err, closeListener(listener), r.api.close(), r.queue.Stop(ctx))
	}
	r.orchestrator.Start()
	if r.courier != nil {
		r.courier.Start()
	}
	if w.receive {
		r.address = listener.Addr()
		go func() { r.served <- r.server.Serve(listener) }()
	}
	if r.api != nil {
		go func() { r.served <- r.api.server.Serve(r.api.listener) }()
	}
	return r, nil
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// How long the parts have to end: together less than the ten seconds after
// which a service manager would kill the process.
const (
	serverEnd = 2 * time.Second // a stranger's slow request gets no more
	queueEnd  = 6 * time.Second // creates under way do
)

// stop takes nothing new, finishes or hands back what was begun, and returns
// within ten seconds.
func (r *running) stop() {
	r.orchestrator.Drain()
	if r.courier != nil {
		r.courier.Drain()
	}
	var ending sync.WaitGroup
	if r.server != nil {
		ending.Go(func() { endServer(r.server, r.log) })
	}
	if r.api != nil {
		ending.Go(func() { endServer(r.api.server, r.log) })
	}
	ctx, cancel := context.WithTimeout(context.Background(), queueEnd)
	defer cancel()
	if err := r.queue.Stop(ctx); err != nil {
		r.log.Warn("stop queue", "error", err)
	}
	ending.Wait()
	if r.courier != nil {
		r.courier.Stop()
	}
	r.orchestrator.Stop()
}

func endServer(server *http.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), serverEnd)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		if err := server.Close(); err != nil {
			log.Warn("stop web server", "error", err)
		}
	}
}

// webhookServer serves webhooks and /healthz, and nothing else: this is the
// address that the internet sees. Each webhook's result is told to heard, which
// may be nil.
func (w work) webhookServer(inbox receiver.Inbox, heard func(result string, took time.Duration)) (*http.Server, error) {
	var verifier *signature.Verifier
	if len(w.secrets) > 0 {
		var err error
		if verifier, err = signature.New(w.secrets, w.headers); err != nil {
			return nil, badUsage("--webhook-secret or --signature-header: %w", err)
		}
	}
	hook, err := receiver.New(receiver.Config{Inbox: inbox, Verifier: verifier, Insecure: w.insecure, Now: clock.Now, Logger: w.log, Observe: heard})
	if err != nil {
		return nil, badUsage("%w: set --webhook-secret or WEBHOOK_SECRET, or --insecure-no-secret", err)
	}
	mux := http.NewServeMux()
	mux.Handle(WebhookPath, hook)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"status":"ok"}`)
	})
	return newServer(mux, w.log), nil
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// listen names the flag when an address cannot be had.
func listen(flag, address string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return nil, badUsage("--%s %q: want HOST:PORT", flag, address)
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the address is in use; choose another with --%s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", flag, address, err)
	}
	return l, nil
}
