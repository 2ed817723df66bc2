package sandbox

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"time"
)

// DefaultAPIKey is the key accepted when Config.APIKey is empty.
const DefaultAPIKey = "sandbox-key"

// Config configures a sandbox. The zero value is valid: it sends no webhooks and
// uses the plain renderer.
type Config struct {
	// APIKey is the key that clients must send; empty means DefaultAPIKey.
	APIKey string

	// WebhookURL receives the webhooks. If it is empty, none are sent.
	WebhookURL string
	// WebhookSecret is the key for signing webhooks. If it is empty, they are not
	// signed.
	WebhookSecret string
	// Dialect is the format of webhooks; empty means DialectA, the format of the
	// vendor's guide.
	Dialect Dialect
	// AppIDs are the apps that have a webhook. If it is empty, every app has one.
	AppIDs []string
	// WebhookTries is the maximum number of attempts to deliver a webhook; 0 means
	// 8.
	WebhookTries int
	// WebhookWorkers is how many webhooks are posted at once; 0 means 64.
	WebhookWorkers int
	// WebhookTimeout limits one attempt; 0 means 10 s.
	WebhookTimeout time.Duration
	// RetryBackoff returns the pause after the given number of failed attempts (1,
	// 2, …). nil means 1 s, 2 s, 4 s, and so on.
	RetryBackoff func(failed int) time.Duration

	// Renderer creates the images; nil means a PlainRenderer. The server owns it:
	// Server.Close closes it.
	Renderer Renderer
	// Workers is how many pages are rendered at once; 0 means 4.
	Workers int
	// PageTimeout limits one rendering, not counting the pauses that its create
	// requests; 0 means 20 s. If the Renderer has a timeout of its own, this one
	// should be longer, because the Renderer's error is more precise.
	PageTimeout time.Duration

	// BaseURL is the URL at which clients reach the sandbox, without /api/v1, for
	// example http://127.0.0.1:8070. Requests for a host that is neither this one
	// nor loopback are refused. See Server.SetBaseURL.
	BaseURL string

	// MaxScreenshots is how many screenshots are remembered; 0 means 200,000.
	// Beyond it the oldest screenshot is forgotten. If the oldest one is not
	// settled, creates are refused with 429.
	MaxScreenshots int
	// MaxOutputBytes limits the size of the stored outputs; 0 means 2 GiB. Beyond
	// it the oldest files are removed.
	MaxOutputBytes int64
	// Dir is the folder for outputs; empty means a temporary folder that Close
	// removes. Only the current user can read the files, and the folder if the
	// sandbox creates it. Images of a PlainRenderer are drawn on request and never
	// stored.
	Dir string

	// BodyTimeout limits the time in which the body of a request must arrive; 0
	// means one minute.
	BodyTimeout time.Duration
	// ListLimit is the largest page of a listing, in rows; 0 means 100. The vendor
	// does not document a limit.
	ListLimit int

	// ListForm is the format of listings; empty means ListArray. The code of the
	// vendor's SDKs and one of their READMEs differ.
	ListForm ListForm
	// NoEnvelope omits the envelope of successful responses, and "success" in
	// responses with status 400 and 429. The vendor's documentation shows both
	// forms.
	NoEnvelope bool
	// AnyCountry accepts every country. Otherwise an unknown country is refused
	// with 422, as the vendor does.
	AnyCountry bool
	// SleepUnit is the unit of the value of a sleep step; 0 means one second. The
	// vendor's fixtures show a value of 2 without a unit.
	SleepUnit time.Duration
	// IntervalUnit is the unit of shot_interval; 0 means one millisecond. One of
	// the vendor's READMEs says milliseconds, another says seconds.
	IntervalUnit time.Duration

	// Balance is the number of credits at the start; 0 means 1,000,000.
	Balance float64
	// FirstID is the id of the first screenshot. 0 means an id derived from Now, so
	// that a restarted sandbox does not reuse ids.
	FirstID int64

	// Faults are the active faults; none by default. FaultList lists the known
	// faults. PUT /sandbox/faults replaces the active ones.
	Faults []Fault
	// Seed determines, together with the subject, which faults happen. The same
	// seed and the same requests repeat a run.
	Seed int64

	// Logger receives messages for the operator; nil discards them.
	Logger *slog.Logger
	// Now is the clock for all timestamps; nil means time.Now.
	Now func() time.Time
	// Rand is the source of the key that makes image URLs unguessable; nil means
	// crypto/rand.
	Rand io.Reader
}

// withDefaults checks the configuration and replaces zero values with defaults.
func (c Config) withDefaults() (Config, error) {
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"WebhookTries", int64(c.WebhookTries)},
		{"WebhookWorkers", int64(c.WebhookWorkers)},
		{"WebhookTimeout", int64(c.WebhookTimeout)},
		{"Workers", int64(c.Workers)},
		{"PageTimeout", int64(c.PageTimeout)},
		{"BodyTimeout", int64(c.BodyTimeout)},
		{"ListLimit", int64(c.ListLimit)},
		{"SleepUnit", int64(c.SleepUnit)},
		{"IntervalUnit", int64(c.IntervalUnit)},
		{"MaxScreenshots", int64(c.MaxScreenshots)},
		{"MaxPictureBytes", c.MaxOutputBytes},
		{"FirstID", c.FirstID},
	} {
		if n.value < 0 {
			return c, fmt.Errorf("sandbox: %s must not be negative: %d", n.name, n.value)
		}
	}
	// Negated, so that NaN is refused.
	if !(c.Balance >= 0 && c.Balance <= math.MaxInt64) {
		return c, fmt.Errorf("sandbox: Balance must be a number from 0 to 2^63: %g", c.Balance)
	}
	if c.WebhookURL != "" {
		if !isWebAddress(c.WebhookURL) {
			return c, fmt.Errorf("sandbox: WebhookURL must be an http or https URL: %q", c.WebhookURL)
		}
	}
	dialect, err := ParseDialect(string(orElse(c.Dialect, DialectA)))
	if err != nil {
		return c, err
	}
	c.Dialect = dialect
	if c.ListForm, err = ParseListForm(string(orElse(c.ListForm, ListArray))); err != nil {
		return c, err
	}

	if c.BaseURL = strings.TrimRight(c.BaseURL, "/"); c.BaseURL != "" && !isWebAddress(c.BaseURL) {
		return c, fmt.Errorf("sandbox: BaseURL must be an http or https URL: %q", c.BaseURL)
	}

	if _, err := newFaultSet(c.Faults, c.Seed); err != nil {
		return c, fmt.Errorf("sandbox: %w", err)
	}

	c.APIKey = orElse(c.APIKey, DefaultAPIKey)
	c.WebhookTries = orElse(c.WebhookTries, 8)
	c.WebhookWorkers = orElse(c.WebhookWorkers, 64)
	c.WebhookTimeout = orElse(c.WebhookTimeout, 10*time.Second)
	c.Workers = orElse(c.Workers, 4)
	c.PageTimeout = orElse(c.PageTimeout, 20*time.Second)
	c.MaxScreenshots = orElse(c.MaxScreenshots, 200_000)
	c.MaxOutputBytes = orElse(c.MaxOutputBytes, 2<<30)
	c.BodyTimeout = orElse(c.BodyTimeout, time.Minute)
	c.ListLimit = orElse(c.ListLimit, 100)
	c.SleepUnit = orElse(c.SleepUnit, time.Second)
	c.IntervalUnit = orElse(c.IntervalUnit, time.Millisecond)
	c.Balance = orElse(c.Balance, 1_000_000)
	if c.RetryBackoff == nil {
		c.RetryBackoff = func(failed int) time.Duration { return time.Second << min(failed-1, 10) }
	}
	if c.Renderer == nil {
		c.Renderer = &PlainRenderer{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	// Ten thousand ids for every second since 1970 stay below 2^53, which JSON
	// readers represent exactly, and are more than this server can use.
	c.FirstID = orElse(c.FirstID, c.Now().Unix()*10_000)
	return c, nil
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// orElse returns value, or fallback if value is zero.
func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
