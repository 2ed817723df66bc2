package engine_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/engine"
)

func TestInvalidConfigs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sink, err := callback.ParseSink("crm=http://127.0.0.1/hunter2")
	r.must(err)
	for _, test := range []struct {
		field  string
		change func(*engine.Config)
	}{
		{"OpenStore", func(c *engine.Config) { c.OpenStore = nil }},
		{"APIKey", func(c *engine.Config) { c.APIKey = "" }},
		{"APIKey", func(c *engine.Config) { c.APIKey = "hunter2 x" }},
		{"BaseURL", func(c *engine.Config) { c.BaseURL = "ftp://hunter2@example.com" }},
		{"UserAgent", func(c *engine.Config) { c.UserAgent = "a\nb" }},
		{"RedisURL", func(c *engine.Config) { c.RedisURL = "http://:hunter2@localhost" }},
		{"Apps", func(c *engine.Config) { c.Apps = []jobs.App{{ID: "1"}, {PathTemplate: "x"}} }},
		{"WebhookSecrets", func(c *engine.Config) { c.WebhookSecrets = []string{"hunter2", ""} }},
		{"SignatureHeaders", func(c *engine.Config) { c.SignatureHeaders = []string{"X Y"} }},
		{"Callbacks", func(c *engine.Config) { c.Callbacks = &callback.Config{Secrets: []string{"hunter2"}} }},
		{"Callbacks", func(c *engine.Config) { c.Callbacks = &callback.Config{Sinks: []callback.Sink{sink}} }},
		{"JobTimeout", func(c *engine.Config) { c.JobTimeout = -1 }},
		{"DeadlineGrace", func(c *engine.Config) { c.DeadlineGrace = -1 }},
		{"RequestTimeout", func(c *engine.Config) { c.RequestTimeout = -1 }},
		{"RequestTimeout", func(c *engine.Config) { c.RequestTimeout = time.Minute }},
		{"Settle", func(c *engine.Config) { c.Settle = -1 }},
		{"KeepForeign", func(c *engine.Config) { c.KeepForeign = -1 }},
		{"KeepDeliveries", func(c *engine.Config) { c.KeepDeliveries = -1 }},
		{"KeepEvents", func(c *engine.Config) { c.KeepEvents = -1 }},
		{"Concurrency", func(c *engine.Config) { c.Concurrency = -1 }},
		{"Rate", func(c *engine.Config) { c.Rate = -1 }},
		{"VendorConnections", func(c *engine.Config) { c.VendorConnections = -1 }},
		{"CallbackSlots", func(c *engine.Config) { c.CallbackSlots = -1 }},
		{"CallbackSlots", func(c *engine.Config) { c.CallbackSlots = 33 }},
		{"WebhookMemory", func(c *engine.Config) { c.WebhookMemory = -1 }},
		{"Rate", func(c *engine.Config) { c.Rate = math.NaN() }},
	} {
		c := r.config()
		test.change(&c)
		_, err := engine.Open(t.Context(), c)
		var wrong *engine.FieldError
		if !errors.As(err, &wrong) || wrong.Field != test.field || !strings.Contains(err.Error(), test.field) {
			t.Errorf("%v; want an error about %s", err, test.field)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error contains a secret: %v", test.field, err)
		}
		if _, err := os.Stat(r.db); err == nil {
			t.Fatalf("%s: the database was created", test.field)
		}
	}
}

// A setting that is read from a file often has space around it.
func TestSpaceAroundSettingsIsIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.start(func(c *engine.Config) {
		c.APIKey, c.BaseURL, c.WebhookSecrets = "\ufeff "+c.APIKey+"\r\n", c.BaseURL+"\n", []string{testSecret + "\n"}
	})
	if j := r.await(e, r.submit(e, "https://shop.shotline.test/").ID); j.State != jobs.Done || j.ClosedBy != jobs.ByWebhook {
		t.Errorf("the job is %s, closed by %s; want done by webhook", j.State, j.ClosedBy)
	}
}

func TestUnusableDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	text := filepath.Join(t.TempDir(), "notes.txt")
	r.must(os.WriteFile(text, []byte("no database\n"), 0o600))
	for path, want := range map[string]error{
		filepath.Join(t.TempDir(), "nowhere", "shots.db"): jobs.ErrUnavailable,
		text: jobs.ErrCorrupt,
	} {
		c := r.config()
		c.OpenStore = sqlite.Opener(path)
		if _, err := engine.Open(t.Context(), c); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v; want %v that names %s", err, want, path)
		}
	}
}

// There are never more creates under way than connections.
func TestCreatesStayBelowTheConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ connections, concurrency, fixed, most int }{
		{0, 0, 0, 64}, {0, 500, 500, 64}, {256, 500, 500, 64}, {80, 500, 70, 64}, {8, 0, 0, 7}, {8, 20, 7, 7}, {8, 3, 3, 7}, {1, 9, 1, 1},
	} {
		c := engine.Config{VendorConnections: test.connections, Concurrency: test.concurrency}.Orchestrator()
		if c.Concurrency != test.fixed || c.MaxCreates != test.most {
			t.Errorf("%d connections, concurrency %d: %d and at most %d creates, want %d and %d",
				test.connections, test.concurrency, c.Concurrency, c.MaxCreates, test.fixed, test.most)
		}
	}
}

// Zero values select the defaults.
func TestDefaults(t *testing.T) {
	t.Parallel()
	e, err := engine.Open(t.Context(), engine.Config{OpenStore: sqlite.Opener(filepath.Join(t.TempDir(), "shots.db")), APIKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if got := e.Queue().Describe(); got != "embedded queue" {
		t.Errorf("the queue is %s, want the embedded one", got)
	}
}
