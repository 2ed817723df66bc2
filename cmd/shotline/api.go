package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
	"shotline/orchestrator/api"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/download"
	"shotline/orchestrator/engine"
	"shotline/receiver"
	"shotline/receiver/listener"
)

// apiServer is the HTTP server that listens on --api-listen.
type apiServer struct {
	listener  net.Listener
	guard     *listener.Listener // wraps listener
	server    *http.Server       // nil until open is called
	readiness *api.Readiness
	metrics   *api.Metrics
}

// newAPIServer listens on the address of the API. The engine of r can be set
// later: the checks use it only when they run.
func newAPIServer(w work, r *running, maxConns int) (*apiServer, error) {
	ln, err := listen(apiListenFlag.Name, w.api.listen)
	if err != nil {
		return nil, err
	}
	readiness := api.NewReadiness(clock.Now,
		api.Check{Name: "store", Do: func(ctx context.Context) error { return r.Orchestrator().Announce(ctx) }},
		api.Check{Name: "queue", Do: func(ctx context.Context) error { return r.Queue().Ping(ctx) }},
		api.Check{Name: "disk", Do: func(context.Context) error { return enoughFree(w.database) }},
		api.Check{Name: "connections", Do: func(context.Context) error { return r.listenerErrors() }},
	)
	metrics := api.NewMetrics(version, texts(receiver.Results), api.Sources{
		Store: w.Store, Readiness: readiness, Storage: func() api.Storage { return storage(w.Store, w.database) },
		Queues:    func(ctx context.Context) ([]api.Queue, error) { return queues(ctx, r.Queue()) },
		Listeners: r.connections,
	})
	metrics.CallbackTargets(w.Callbacks.Kinds(), texts(callback.Outcomes))
	metrics.FileLabels(texts(download.Results), texts(download.Reasons))
	guard := listener.New(ln, listener.Config{Name: "api", MaxConnections: maxConns, Logger: w.Logger})
	return &apiServer{listener: ln, guard: guard, readiness: readiness, metrics: metrics}, nil
}

// texts returns names as strings.
func texts[Name ~string](names []Name) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return list
}

// observe makes the metrics observe the engine and its calls of the vendor.
func (a *apiServer) observe(c *engine.Config) {
	c.Observer, c.WebhookObserver, c.CallbackObserver = a.metrics, a.metrics.Webhook, attempts{a.metrics}
	c.FileObserver = func(result download.Result, reason download.Reason, bytes int64) {
		a.metrics.File(string(result), string(reason), bytes)
	}
	c.WrapVendor = func(v orchestrator.Vendor) orchestrator.Vendor { return countingVendor{v, a.metrics} }
}

// open creates the HTTP server, which calls the orchestrator.
func (a *apiServer) open(w work, o *orchestrator.Orchestrator) error {
	handler, err := api.New(api.Config{
		Readiness: a.readiness, Metrics: a.metrics, Store: w.Store, Work: o, Outputs: w.outputs, Now: clock.Now, NewID: engine.NewID,
		CheckURL: w.checkURL, ImageDir: w.api.imageDir, ImageMode: w.api.imageMode, SpoolDir: filepath.Dir(w.database), MaxBatch: w.api.maxBatch,
		MaxRows: w.api.maxRows, Room: func() error { return roomForWork(context.Background(), w.Store, w.database) },
		Balance: w.balance,
		Access:  w.api.access, Version: version, Logger: w.Logger,
	})
	if err != nil {
		return err
	}
	a.server = newServer(handler, w.Logger)
	a.guard.Guard(a.server)
	return nil
}

// close closes the listener if the server has not been started. It accepts a nil
// receiver.
func (a *apiServer) close() error {
	if a == nil {
		return nil
	}
	return a.listener.Close()
}

// apiURL returns the URL of the API for the log, or "off" if there is no API.
func (r *running) apiURL() string {
	if r.api == nil {
		return "off"
	}
	return "http://" + r.api.listener.Addr().String()
}

// listenerErrors returns the recent errors of all listeners, or nil if there are
// none.
func (r *running) listenerErrors() error {
	var errs []error
	for _, guard := range r.guards {
		errs = append(errs, guard.RecentError())
	}
	return errors.Join(errs...)
}

// connections returns the statistics of all listeners.
func (r *running) connections() []api.Connections {
	figures := make([]api.Connections, len(r.guards))
	for i, guard := range r.guards {
		s := guard.Stats()
		figures[i] = api.Connections{
			Listener: s.Name, Open: s.Open, Most: s.MaxConnections,
			Evicted: s.Evicted, Refused: s.Refused, SlowBodies: s.SlowBodies, AcceptErrors: s.AcceptErrors,
		}
	}
	return figures
}

// statsReporter is a store that has statistics.
type statsReporter interface {
	Stats() jobs.StoreStats
}

// storage returns the statistics of the store, if it has any, and the free space
// of its file system.
func storage(store jobs.Store, database string) api.Storage {
	storage := api.Storage{FreeBytes: -1}
	if free, _, err := freeSpace(database); err == nil {
		storage.FreeBytes = free
	}
	if reporter, ok := store.(statsReporter); ok {
		storage.StoreStats = reporter.Stats()
	}
	return storage
}

// queues returns the length of each task queue.
func queues(ctx context.Context, queue *tasks.Queue) ([]api.Queue, error) {
	depths, err := queue.Depths(ctx)
	lengths := make([]api.Queue, len(depths))
	for i, d := range depths {
		lengths[i] = api.Queue{Name: d.Queue, Tasks: d.Tasks, Oldest: d.Oldest}
	}
	return lengths, err
}

// countingVendor wraps a vendor and counts its calls.
type countingVendor struct {
	orchestrator.Vendor
	metrics *api.Metrics
}

func (m countingVendor) Create(ctx context.Context, r client.CreateRequest) (shot client.Screenshot, err error) {
	defer m.count("create", time.Now(), &err)
	return m.Vendor.Create(ctx, r)
}

func (m countingVendor) Info(ctx context.Context, id string) (shot client.Screenshot, err error) {
	defer m.count("info", time.Now(), &err)
	return m.Vendor.Info(ctx, id)
}

func (m countingVendor) List(ctx context.Context, o client.ListOptions) (shots []client.Screenshot, err error) {
	defer m.count("list", time.Now(), &err)
	shots, err = m.Vendor.List(ctx, o)
	m.countUnreadable("list", shots)
	return shots, err
}

func (m countingVendor) Search(ctx context.Context, o client.SearchOptions) (shots []client.Screenshot, err error) {
	defer m.count("search", time.Now(), &err)
	shots, err = m.Vendor.Search(ctx, o)
	m.countUnreadable("search", shots)
	return shots, err
}

// countUnreadable counts the rows of a listing that could not be decoded.
func (m countingVendor) countUnreadable(operation string, shots []client.Screenshot) {
	unreadable := 0
	for _, shot := range shots {
		if shot.ReadError != nil {
			unreadable++
		}
	}
	m.metrics.VendorOddRows(operation, unreadable)
}

func (m countingVendor) count(operation string, began time.Time, err *error) {
	m.metrics.VendorCall(operation, callCode(*err), time.Since(began))
}

// callCode returns the metric label for the result of a call: the status of the
// response, or the reason if there was no response.
func callCode(err error) string {
	var answered *client.APIError
	var unsent *client.NotSentError
	var invalid *client.ParamError
	switch {
	case err == nil:
		return "200"
	case errors.As(err, &answered):
		return strconv.Itoa(answered.Status)
	case errors.As(err, &unsent):
		return "not_sent"
	case errors.As(err, &invalid):
		return "invalid"
	default:
		return "no_answer"
	}
}
