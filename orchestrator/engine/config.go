package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"
	"unicode"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/download"
	"shotline/orchestrator/throttle"
	"shotline/receiver/signature"
)

// defaultConnections is the default bound of open connections to the vendor.
const defaultConnections = 256

// Config is the configuration of an engine. APIKey is required, and so is
// OpenStore or Store. The zero values of the other fields mean the defaults that
// their comments name. White space and byte order marks around the key, the
// addresses and the secrets are ignored, because values that are read from a file
// often end with a line end.
type Config struct {
	// OpenStore opens the store that keeps everything, for example
	// sqlite.Opener("shots.db"). Open calls it, and Stop closes the store. It is not
	// used if Store is set.
	OpenStore jobs.Opener
	// Store is an open store. Stop does not close it.
	Store jobs.Store

	APIKey  string // of ScreenshotCenter
	BaseURL string // of the vendor's API, or of a sandbox; client.DefaultBaseURL
	// RedisURL is the address of the queue (redis, rediss, redis-socket or
	// redis-sentinel). Several processes that use the same one share the work. If
	// it is empty, the queue is inside the process, which suits one modest machine.
	RedisURL string

	// Batches are the only batches to work on. All others, including those
	// submitted to this engine, wait in the store for an engine that works on them.
	// If it is empty, the engine works on all batches in the store.
	Batches []string

	// Apps are the vendor's webhook apps to notify, for batches that name none. If
	// there is no app, or no process takes the webhooks, the engine queries the
	// vendor for results in bulk.
	Apps []jobs.App
	// WebhookSecrets are the secrets with which webhooks can be signed: one, or the
	// new and the old one during a rotation. An engine without secrets takes no
	// webhooks.
	WebhookSecrets   []string
	SignatureHeaders []string // headers that can carry the signature, besides the documented ones
	// InsecureNoSecret makes the engine take unsigned webhooks. Anybody can then
	// close jobs.
	InsecureNoSecret bool
	// WebhookPath is the path of Webhooks on the program's server. It is used only in
	// log lines about webhooks that were sent to another path, see
	// MisdirectedWebhooks.
	WebhookPath string
	// WebhooksElsewhere is set if another process on this store takes the webhooks.
	WebhooksElsewhere bool

	// Callbacks are the sinks, and the rules for the callback URLs of batches. The
	// engine sets Worker and Slots. If it is nil, this engine delivers no
	// callbacks.
	Callbacks *callback.Config

	// Downloads says how to fetch the files of the batches whose download is ordered
	// in the store, see jobs.Files. The engine sets Batches.
	Downloads download.WorkConfig

	JobTimeout     time.Duration // how long to wait for a webhook before querying the vendor; 10m
	DeadlineGrace  time.Duration // how much longer to wait while the vendor is still working; 10m
	RequestTimeout time.Duration // time limit of one vendor call, at most orchestrator.MaxRequestTimeout; 15s
	Settle         time.Duration // how long to look up a create whose response was lost before resending it; 10s
	Concurrency    int           // creates in progress at a time; 0: adaptive
	Rate           float64       // creates per second; 0: no limit

	// The engine's shares of the process's file descriptors and memory.
	VendorConnections int   // open connections to the vendor, which also bound the creates under way; 256
	CallbackSlots     int   // callbacks delivered at once, at most tasks.CallbackSlots; tasks.CallbackSlots
	WebhookMemory     int64 // bytes of webhooks being received; receiver.DefaultMaxInFlight

	KeepForeign    time.Duration // how long to keep webhooks that changed no job; orchestrator.DefaultKeepForeign
	KeepDeliveries time.Duration // how long to keep applied webhooks; orchestrator.DefaultKeepDeliveries
	KeepEvents     time.Duration // how long to keep events of finished batches; orchestrator.DefaultKeepEvents
	AuditWindow    time.Duration // how long after its end a batch is audited for double charges; orchestrator.DefaultAuditWindow; negative: never

	Role      string       // the role of this process in the list of workers; "engine"
	UserAgent string       // of calls to the vendor and of callbacks; "shotline"
	Logger    *slog.Logger // nil: slog.Default, because trouble in the background shows nowhere else

	// FileRoom returns an error that wraps jobs.ErrNoRoom if the disk of a folder has
	// no room for downloaded files. nil: files are saved until the disk is full.
	FileRoom func(folder string) error
	// Space returns an error if the disk is nearly full, so that this can be shown. nil:
	// it is not checked.
	Space func() error
	// WrapVendor puts a layer between the engine and the vendor's client, for
	// example to count calls. Its Create must send at most one request.
	WrapVendor func(orchestrator.Vendor) orchestrator.Vendor
	// The observers are called concurrently and must not block.
	Observer         orchestrator.Observer
	WebhookObserver  func(result string, took time.Duration) // result is one of receiver.Results, took the time until the answer
	CallbackObserver callback.Observer
	FileObserver     func(result download.Result, reason download.Reason, bytes int64) // see download.WorkParts
}

// FieldError is an error in a field of a Config.
type FieldError struct {
	Field string
	Err   error // reads on after the name of the field
}

func (e *FieldError) Error() string { return "engine: " + e.Field + " " + e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

// Check returns a *FieldError if the configuration is invalid. It does not open
// the store or the queue, and does not require a store. No error contains a
// secret.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.APIKey == "" {
		return &FieldError{"APIKey", errors.New("is missing")}
	}
	for _, of := range []struct {
		field  string
		option client.Option
	}{
		{"APIKey", client.WithAPIKey(c.APIKey)},
		{"BaseURL", client.WithBaseURL(c.BaseURL)},
		{"UserAgent", client.WithUserAgent(c.UserAgent)},
	} {
		if _, err := client.New(client.WithAPIKey("k"), of.option); err != nil {
			return unusable(of.field, err)
		}
	}
	for i, app := range c.Apps {
		if app.ID == "" {
			return &FieldError{"Apps", fmt.Errorf("has no id at index %d", i)}
		}
	}
	if len(c.WebhookSecrets) > 0 {
		if _, err := signature.New(c.WebhookSecrets, nil); err != nil {
			return unusable("WebhookSecrets", err)
		}
	}
	if _, err := signature.New([]string{"k"}, c.SignatureHeaders); err != nil {
		return unusable("SignatureHeaders", err)
	}
	if c.Callbacks != nil {
		if err := c.Callbacks.Check(); err != nil {
			return unusable("Callbacks", err)
		}
	}
	return c.checkBounds()
}

func unusable(field string, err error) error {
	return &FieldError{field, fmt.Errorf("cannot be used: %w", err)}
}

func (c Config) checkBounds() error {
	for _, of := range []struct {
		field string
		value time.Duration
	}{
		{"JobTimeout", c.JobTimeout}, {"DeadlineGrace", c.DeadlineGrace}, {"RequestTimeout", c.RequestTimeout}, {"Settle", c.Settle},
		{"KeepForeign", c.KeepForeign}, {"KeepDeliveries", c.KeepDeliveries}, {"KeepEvents", c.KeepEvents},
	} {
		if of.value < 0 {
			return &FieldError{of.field, fmt.Errorf("%s is negative", of.value)}
		}
	}
	switch {
	case c.RequestTimeout > orchestrator.MaxRequestTimeout:
		return &FieldError{"RequestTimeout", fmt.Errorf("%s is over %s", c.RequestTimeout, orchestrator.MaxRequestTimeout)}
	case c.Concurrency < 0:
		return &FieldError{"Concurrency", fmt.Errorf("%d is negative", c.Concurrency)}
	case c.VendorConnections < 0:
		return &FieldError{"VendorConnections", fmt.Errorf("%d is negative", c.VendorConnections)}
	case c.CallbackSlots < 0 || c.CallbackSlots > tasks.CallbackSlots:
		return &FieldError{"CallbackSlots", fmt.Errorf("%d: want 1 to %d", c.CallbackSlots, tasks.CallbackSlots)}
	case c.WebhookMemory < 0:
		return &FieldError{"WebhookMemory", fmt.Errorf("%d is negative", c.WebhookMemory)}
	case !(c.Rate >= 0 && c.Rate <= math.MaxFloat64):
		return &FieldError{"Rate", fmt.Errorf("%v: want a number of creates per second", c.Rate)}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.APIKey, c.BaseURL, c.RedisURL = trimSpace(c.APIKey), trimSpace(c.BaseURL), trimSpace(c.RedisURL)
	c.WebhookSecrets = trimmed(c.WebhookSecrets)
	c.BaseURL = cmp.Or(c.BaseURL, client.DefaultBaseURL)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, orchestrator.DefaultRequestTimeout)
	c.VendorConnections = cmp.Or(c.VendorConnections, defaultConnections)
	c.CallbackSlots = cmp.Or(c.CallbackSlots, tasks.CallbackSlots)
	c.Role = cmp.Or(c.Role, "engine")
	c.UserAgent = cmp.Or(c.UserAgent, "shotline")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

func trimmed(values []string) []string {
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = trimSpace(value)
	}
	return trimmed
}

// trimSpace removes white space and byte order marks around a value.
func trimSpace(value string) string {
	return strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}

// ReceivesWebhooks reports whether the engine takes webhooks: it has secrets to
// verify them with, or InsecureNoSecret is set.
func (c Config) ReceivesWebhooks() bool { return len(c.WebhookSecrets) > 0 || c.InsecureNoSecret }

// creates returns the bound of creates under way. If connections are scarce, some
// are kept for queries about other screenshots.
func (c Config) creates() int {
	if c.VendorConnections >= defaultConnections {
		return math.MaxInt
	}
	return max(1, c.VendorConnections-c.VendorConnections/8)
}

// Orchestrator returns the configuration for orchestrator.New, for a program that
// joins the parts itself. Each call names a new worker.
func (c Config) Orchestrator() orchestrator.Config {
	c = c.withDefaults()
	poll := orchestrator.PollOnly
	if len(c.Apps) > 0 && (c.ReceivesWebhooks() || c.WebhooksElsewhere) {
		poll = orchestrator.PollBackup
	}
	creates := c.creates()
	return orchestrator.Config{
		Worker: jobs.Worker{ID: NewID(), Role: jobs.RoleOf(c.Role, c.Batches), PID: os.Getpid(), Receives: c.ReceivesWebhooks()},
		Apps:   c.Apps, Batches: c.Batches, JobTimeout: c.JobTimeout, DeadlineGrace: c.DeadlineGrace, RequestTimeout: c.RequestTimeout, Settle: c.Settle,
		Concurrency: min(c.Concurrency, creates), MaxCreates: min(creates, throttle.DefaultMax), Rate: c.Rate, Poll: poll,
		KeepForeign: c.KeepForeign, KeepDeliveries: c.KeepDeliveries, KeepEvents: c.KeepEvents, AuditWindow: c.AuditWindow,
	}
}
