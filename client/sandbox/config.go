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

// Config says how the sandbox behaves. The zero value is a working sandbox
// without webhooks and with the plain renderer.
type Config struct {
	// APIKey is what callers must send; empty means DefaultAPIKey.
	APIKey string

	// WebhookURL receives the webhooks; empty means none are sent.
	WebhookURL string
	// WebhookSecret signs them; empty sends them unsigned.
	WebhookSecret string
	// Dialect is how webhooks are worded; empty means DialectA, the form of
	// the vendor's guide.
	Dialect Dialect
	// AppIDs are the apps that have a webhook; empty means any id does.
	AppIDs []string
	// WebhookTries is how often one webhook is posted before it is given up;
	// 0 means 8.
	WebhookTries int
	// WebhookWorkers is how many webhooks are posted at once; 0 means 64.
	WebhookWorkers int
	// WebhookTimeout limits one post; 0 means 10 s.
	WebhookTimeout time.Duration
	// RetryBackoff is the pause after the given number of failed posts (1, 2, …);
	// nil doubles from one second: 1 s, 2 s, 4 s, …
	RetryBackoff func(failed int) time.Duration

	// Renderer draws the pictures; nil means a PlainRenderer. The server owns
	// it: Server.Close closes it.
	Renderer Renderer
	// Workers is how many pages are rendered at once; 0 means 4.
	Workers int
	// PageTimeout limits one rendering, beside the pauses that its create asks
	// for; 0 means 20 s. Where the Renderer has a limit of its own, this one
	// should be longer: the Renderer knows better what was not ready.
	PageTimeout time.Duration

	// BaseURL is the address callers reach the sandbox at, without /api/v1,
	// for example http://127.0.0.1:8070. Other hosts than its own and loopback
	// are refused in requests. See Server.SetBaseURL.
	BaseURL string

	// MaxScreenshots is how many screenshots are remembered; 0 means 200,000.
	// Beyond it the oldest settled one is forgotten, and while none is settled
	// creates are answered 429.
	MaxScreenshots int
	// MaxPictureBytes bounds the pictures on disk; 0 means 2 GiB. Beyond it
	// the oldest picture is removed.
	MaxPictureBytes int64
	// Dir is where pictures are kept; empty means a temporary folder that
	// Close removes. Only this user can read the files, and a folder that is
	// made. Pictures of a plain renderer are drawn when asked for and never
	// stored.
	Dir string

	// BodyTimeout limits the time that a request's body takes to arrive; 0 means
	// one minute.
	BodyTimeout time.Duration
	// ListLimit is the largest page of a listing, in rows; 0 means 100. The
	// vendor's is not documented.
	ListLimit int

	// ListForm is how listings are answered; empty means ListArray. The vendor's
	// SDKs and one of their READMEs differ.
	ListForm ListForm
	// BareAnswers leaves out the envelope of answers, and "success" in those of
	// status 400 and 429, as some of the vendor's answers are.
	BareAnswers bool
	// AnyCountry accepts every country; otherwise an unknown one is refused with
	// 422, as by the vendor.
	AnyCountry bool
	// SleepUnit is what the value of a step sleep counts; 0 means one second. The
	// vendor's fixtures show 2 and name no unit.
	SleepUnit time.Duration
	// IntervalUnit is what shot_interval counts; 0 means one millisecond. One of
	// the vendor's READMEs says milliseconds, another seconds.
	IntervalUnit time.Duration

	// Balance is the credits at the start; 0 means 1,000,000.
	Balance float64
	// FirstID is the id of the first screenshot; 0 derives it from Now, so
	// that a restarted sandbox does not give out an id twice.
	FirstID int64

	// Faults are what goes wrong, by chance; none by default. FaultList names
	// them, and PUT /sandbox/faults replaces them.
	Faults []Fault
	// Seed decides, with the subject, which faults happen: the same seed and
	// the same requests repeat a run.
	Seed int64

	// Logger gets what an operator should see; nil discards it.
	Logger *slog.Logger
	// Now is the clock for all timestamps; nil means time.Now.
	Now func() time.Time
	// Rand feeds the key that makes image addresses unguessable; nil means
	// crypto/rand.
	Rand io.Reader
}

// withDefaults fills what was left zero and refuses what makes no sense.
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
		{"MaxPictureBytes", c.MaxPictureBytes},
		{"FirstID", c.FirstID},
	} {
		if n.value < 0 {
			return c, fmt.Errorf("sandbox: %s must not be negative: %d", n.name, n.value)
		}
	}
	// Written so that NaN is refused.
	if !(c.Balance >= 0 && c.Balance <= math.MaxInt64) {
		return c, fmt.Errorf("sandbox: Balance must be a number from 0 to 2^63: %g", c.Balance)
	}
	if c.WebhookURL != "" {
		if !isWebAddress(c.WebhookURL) {
			return c, fmt.Errorf("sandbox: WebhookURL must be an http or https address: %q", c.WebhookURL)
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
		return c, fmt.Errorf("sandbox: BaseURL must be an http or https address: %q", c.BaseURL)
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
	c.MaxPictureBytes = orElse(c.MaxPictureBytes, 2<<30)
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
	// Ten thousand ids for every second since 1970 stay below 2^53, which
	// JSON readers keep exact, and outrun any rate this server reaches.
	c.FirstID = orElse(c.FirstID, c.Now().Unix()*10_000)
	return c, nil
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// orElse returns value, or fallback when value is zero.
func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
