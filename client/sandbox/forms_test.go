package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"shotline/client/sandbox"
)

// Listings have both documented forms, with and without the envelope.
func TestListForms(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  sandbox.Config
		want string
	}{
		"array":        {sandbox.Config{}, `{"data":[{"id":1001,`},
		"object":       {sandbox.Config{ListForm: sandbox.ListObject}, `{"data":{"screenshots":[{"id":1001,`},
		"bare array":   {sandbox.Config{NoEnvelope: true}, `[{"id":1001,`},
		"bare object":  {sandbox.Config{NoEnvelope: true, ListForm: sandbox.ListObject}, `{"screenshots":[{"id":1001,`},
		"array, named": {sandbox.Config{ListForm: sandbox.ListArray}, `{"data":[{"id":1001,`},
	} {
		v := start(t, c.cfg)
		if a := v.get("screenshot/create", with("url", "https://a.example")); a.status != http.StatusOK || strings.Contains(string(a.body), `"success"`) == c.cfg.NoEnvelope {
			t.Errorf("%s: create: status %d, body %s", name, a.status, a.body)
		}
		v.settle()
		for _, a := range []answer{v.get("screenshot/list", nil), v.get("screenshot/search", with("url", "a.example"))} {
			if a.status != http.StatusOK || !strings.HasPrefix(string(a.body), c.want) {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		empty := v.get("screenshot/list", with("tag", "none"))
		if !strings.Contains(string(empty.body), "[]") {
			t.Errorf("%s: empty listing is %s", name, empty.body)
		}
	}
	if _, err := sandbox.New(sandbox.Config{ListForm: "tree"}); err == nil || !strings.Contains(err.Error(), "array or object") {
		t.Errorf("unknown form: error %v", err)
	}
}

// Some of the vendor's errors have no field success.
func TestBareErrors(t *testing.T) {
	for _, bare := range []bool{false, true} {
		v := start(t, sandbox.Config{NoEnvelope: bare, Faults: []sandbox.Fault{{Name: "create-429", Probability: 1}}})
		for status, a := range map[int]answer{
			400: v.get("screenshot/create", nil),
			401: v.do(http.MethodGet, "/api/v1/account/info", "wrong", nil),
			404: v.get("screenshot/info", with("id", "7")),
			422: v.get("screenshot/create", with("url", "none")),
			429: v.get("screenshot/create", with("url", "https://a.example")),
		} {
			var body map[string]any
			if err := json.Unmarshal(a.body, &body); err != nil || a.status != status {
				t.Fatalf("%d %s: %v", a.status, a.body, err)
			}
			if _, found := body["success"]; found == (bare && (status == 400 || status == 429)) || body["error"] == "" || body["code"] == "" || body["details"] == nil {
				t.Errorf("bare %t: %d %s", bare, a.status, a.body)
			}
		}
	}
}

func TestAnyCountry(t *testing.T) {
	v := start(t, sandbox.Config{AnyCountry: true})
	for _, country := range []string{"atlantis", "us", "XX"} {
		if got := data[map[string]any](t, v.get("screenshot/create", with("url", "https://a.example", "country", country))); got["country"] != country {
			t.Errorf("country %s became %v", country, got["country"])
		}
	}
	strict := start(t, sandbox.Config{})
	for _, country := range []string{"us", "US", "gb", "uk", "de", "fr"} {
		if a := strict.get("screenshot/create", with("url", "https://a.example", "country", country)); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", country, a.status, a.body)
		}
	}
}

// The units of pauses can be configured where the vendor does not document them.
func TestUnitsOfPauses(t *testing.T) {
	steps := `[{"command":"sleep","value":2},{"command":"wait","value":2}]`
	for _, c := range []struct {
		cfg             sandbox.Config
		sleep, interval time.Duration
	}{
		{sandbox.Config{}, 2 * time.Second, 3 * time.Millisecond},
		{sandbox.Config{SleepUnit: time.Millisecond, IntervalUnit: time.Second}, 2 * time.Millisecond, 3 * time.Second},
	} {
		r := &recorder{}
		c.cfg.Renderer = r
		v := start(t, c.cfg)
		v.create("https://a.example", "steps", steps, "shots", "2", "shot_interval", "3")
		v.settle()
		got := r.seen[0].Pace
		if got.Steps[0].Wait != c.sleep || got.Steps[1].Wait != 2*time.Millisecond || got.ShotInterval != c.interval {
			t.Errorf("pace is %+v, want %v and %v", got, c.sleep, c.interval)
		}
		if a := v.get("screenshot/create", with("url", "https://a.example", "shots", "2", "shot_interval", "61000")); a.status != http.StatusUnprocessableEntity {
			t.Errorf("interval of more than a minute: status %d, body %s, want 422", a.status, a.body)
		}
	}
}
