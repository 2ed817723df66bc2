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

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
	"shotline/orchestrator/callback"
	"shotline/receiver/signature"
)

// defaultConnections is how many connections to the vendor are open at most.
const defaultConnections = 256

// Config says what an engine is made of. Only APIKey is required; the other zero
// values mean the defaults named beside them. Space around the key, the addresses
// and the secrets is ignored: it is the line end of the file that they came from.
type Config struct {
	// OpenStore opens the store that keeps everything, for example
	// sqlite.Opener("shots.db"). Open calls it, and Stop closes the store. It is not
	// used if Store is set.
	OpenStore jobs.Opener
	// Store is an open store. Stop does not close it.
	Store jobs.Store

	APIKey  string // of ScreenshotCenter
	BaseURL string // of the vendor's API, or of a sandbox; client.DefaultBaseURL
	// RedisURL is where tasks wait (redis, rediss, redis-socket or redis-sentinel),
	// so that several processes share the work. Empty: a queue inside the process,
	// which is right for one modest machine.
	RedisURL string

	// Batches are the only ones to work on. Others, also those that are submitted to
	// this engine, wait in the database for an engine that works on them. None: all
	// that are in the database.
	Batches []string

	// Apps are the vendor's webhook apps to notify, of batches that name none.
	// Without an app, or without anybody who takes the webhooks, the vendor is asked
	// for results, in bulk.
	Apps []jobs.App
	// WebhookSecrets are what webhooks may be signed with: one, or the new and the
	// old one during a rotation. Without any this engine takes no webhooks.
	WebhookSecrets   []string
	SignatureHeaders []string // that may carry the signature, besides the documented ones
	// InsecureNoSecret has webhooks taken unsigned: anybody can then close jobs.
	InsecureNoSecret bool
	// WebhooksElsewhere: another process on this database takes the webhooks.
	WebhooksElsewhere bool

	// Callbacks say which of the program's own or of its users' URLs are told what
	// happens. Its Worker and Slots are the engine's to set. Nil: this engine
	// delivers none.
	Callbacks *callback.Config

	JobTimeout     time.Duration // how long to wait for a webhook before querying the vendor; 10m
	DeadlineGrace  time.Duration // how much longer to wait while the vendor is still working; 10m
	RequestTimeout time.Duration // time limit of one vendor call, at most orchestrator.MaxRequestTimeout; 15s
	Settle         time.Duration // how long to look up a create whose response was lost before resending it; 10s
	Concurrency    int           // creates in progress at a time; 0: adaptive
	Rate           float64       // creates per second; 0: no limit

	// What this engine may take of the process's file descriptors and memory.
	VendorConnections int   // to the vendor at once, also a bound of creates under way; 256
	CallbackSlots     int   // callbacks delivered at once; at most, and by default, tasks.CallbackSlots
	WebhookMemory     int64 // bytes of webhooks that come in; receiver.DefaultMaxInFlight

	KeepForeign    time.Duration // webhooks that moved no job; orchestrator.DefaultKeepForeign
	KeepDeliveries time.Duration // applied webhooks; orchestrator.DefaultKeepDeliveries
	KeepEvents     time.Duration // events of finished batches; orchestrator.DefaultKeepEvents
	AuditWindow    time.Duration // how long after its end a batch is audited for double charges; orchestrator.DefaultAuditWindow; negative: never

	Role      string       // how this process shows up among the workers; "engine"
	UserAgent string       // of calls to the vendor and of callbacks; "shotline"
	Logger    *slog.Logger // nil: slog.Default, since trouble in the background shows nowhere else

	// WrapVendor puts something between the engine and the vendor's client, to count
	// calls for example. Create must stay at most one request.
	WrapVendor func(orchestrator.Vendor) orchestrator.Vendor
	// Who listens to what happens, each called concurrently. They must not block.
	Observer         orchestrator.Observer
	WebhookObserver  func(result string, took time.Duration) // one of receiver.Results, and how long the answer took
	CallbackObserver callback.Observer
}

// FieldError says what is wrong with a field of a Config.
type FieldError struct {
	Field string
	Err   error // goes on where "Field" left off
}

func (e *FieldError) Error() string { return "engine: " + e.Field + " " + e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

// Check says what is wrong with the configuration, as a *FieldError; nil when
// nothing is, as far as that can be told without looking for the database and the
// queue. No error holds a secret.
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
	c.APIKey, c.BaseURL, c.RedisURL = strings.TrimSpace(c.APIKey), strings.TrimSpace(c.BaseURL), strings.TrimSpace(c.RedisURL)
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
		trimmed[i] = strings.TrimSpace(value)
	}
	return trimmed
}

// TakesWebhooks reports whether there is anything to verify webhooks with, or
// nothing is to be verified.
func (c Config) TakesWebhooks() bool { return len(c.WebhookSecrets) > 0 || c.InsecureNoSecret }

// mostCreates is how far an adaptive number of creates goes.
const mostCreates = 64

// creates is how many creates may be under way at once: where connections are
// scarce, a few are left for asking about the others.
func (c Config) creates() int {
	if c.VendorConnections >= defaultConnections {
		return math.MaxInt
	}
	return max(1, c.VendorConnections-c.VendorConnections/8)
}

// Orchestrator is what orchestrator.New takes of it, for a program that joins parts
// of its own. Each call names a new worker.
func (c Config) Orchestrator() orchestrator.Config {
	c = c.withDefaults()
	poll := orchestrator.PollOnly
	if len(c.Apps) > 0 && (c.TakesWebhooks() || c.WebhooksElsewhere) {
		poll = orchestrator.PollBackup
	}
	creates := c.creates()
	return orchestrator.Config{
		Worker: jobs.Worker{ID: NewID(), Role: jobs.RoleOf(c.Role, c.Batches), PID: os.Getpid(), Receives: c.TakesWebhooks()},
		Apps:   c.Apps, Batches: c.Batches, JobTimeout: c.JobTimeout, DeadlineGrace: c.DeadlineGrace, RequestTimeout: c.RequestTimeout, Settle: c.Settle,
		Concurrency: min(c.Concurrency, creates), MostCreates: min(creates, mostCreates), Rate: c.Rate, Poll: poll,
		KeepForeign: c.KeepForeign, KeepDeliveries: c.KeepDeliveries, KeepEvents: c.KeepEvents, AuditWindow: c.AuditWindow,
	}
}
