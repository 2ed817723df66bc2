package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

// manage sends a request to /sandbox/faults as if from the remote address from.
func manage(t *testing.T, srv *sandbox.Server, method, body, from string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "/sandbox/faults", strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:8070", from
	r.Header.Set("X-API-KEY", sandbox.DefaultAPIKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	srv.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const local = "127.0.0.1:4321"

func TestFaultsAreSetWhileRunning(t *testing.T) {
	v := start(t, sandbox.Config{Seed: 3, Faults: faults(t, "create-500=1,status=500")})
	state := func(method, body string) (s struct {
		Seed   int64
		Faults []string
		Fired  map[string]int64
		Known  []sandbox.FaultInfo
	}) {
		t.Helper()
		code, text := manage(t, v.srv, method, body, local)
		if err := json.Unmarshal([]byte(text), &s); err != nil || code != http.StatusOK {
			t.Fatalf("%s: status %d, body %s, error %v", method, code, text, err)
		}
		return s
	}
	creates := func(want int) {
		t.Helper()
		if a := v.get("screenshot/create", with("url", "https://example.com/")); a.status != want {
			t.Errorf("create: status %d, want %d", a.status, want)
		}
	}

	creates(500)
	if s := state(http.MethodGet, ""); s.Seed != 3 || len(s.Faults) != 1 || s.Faults[0] != "create-500=1,status=500" ||
		s.Fired["create-500"] != 1 || len(s.Known) != len(sandbox.FaultList()) {
		t.Errorf("GET returned %+v", s)
	}
	if s := state(http.MethodPut, `{"seed":5,"faults":["create-429=1"]}`); s.Seed != 5 || len(s.Faults) != 1 || s.Faults[0] != "create-429=1" {
		t.Errorf("PUT returned %+v", s)
	}
	creates(429)
	for _, body := range []string{
		"", "[]", `{"faults":["create-crash=1"]}`, `{"faults":["create-cut=1","create-cut=1"]}`, `{"faults":["create-cut=2"]}`,
		`{"fault":[]}`, `{"faults":[]} {}`, `{"faults":["` + strings.Repeat("x", 70_000) + `"]}`,
	} {
		if code, text := manage(t, v.srv, http.MethodPut, body, local); code != http.StatusBadRequest || !strings.Contains(text, `"fields":{"faults"`) {
			t.Errorf("PUT %.40s: status %d, body %.200s, want 400", body, code, text)
		}
	}
	creates(429)
	if s := state(http.MethodDelete, ""); len(s.Faults) != 0 {
		t.Errorf("DELETE returned %+v", s)
	}
	creates(200)
}

// Setting the same faults again repeats the same run.
func TestSetFaultsRestartsTheRun(t *testing.T) {
	v := start(t, sandbox.Config{})
	run := func() (codes []int) {
		v.setFaults("create-500=0.5,status=500")
		for range 20 {
			codes = append(codes, v.get("screenshot/create", with("url", "https://example.com/")).status)
		}
		return codes
	}
	first, second := run(), run()
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("statuses %v, then %v, want the same", first, second)
		}
	}
}

func TestFaultsAreSetFromThisMachineOnly(t *testing.T) {
	for _, test := range []struct {
		name, method, from string
		headers            []string
		status             int
		code               string
	}{
		{"loopback", http.MethodDelete, "127.8.9.1:5", nil, http.StatusOK, ""},
		{"IPv6 loopback", http.MethodDelete, "[::1]:5", nil, http.StatusOK, ""},
		{"elsewhere", http.MethodDelete, "192.0.2.7:5", nil, http.StatusForbidden, "REMOTE_CLIENT"},
		{"elsewhere, reading", http.MethodGet, "192.0.2.7:5", nil, http.StatusForbidden, "REMOTE_CLIENT"},
		{"elsewhere with X-Forwarded-For", http.MethodDelete, "192.0.2.7:5", []string{"X-Forwarded-For", "127.0.0.1"}, http.StatusForbidden, "REMOTE_CLIENT"},
		{"no address", http.MethodDelete, "", nil, http.StatusForbidden, "REMOTE_CLIENT"},
		{"wrong key", http.MethodDelete, local, []string{"X-API-KEY", "guess"}, http.StatusUnauthorized, "INVALID_API_KEY"},
		{"web page", http.MethodDelete, local, []string{"Origin", "https://evil.example"}, http.StatusForbidden, "FOREIGN_ORIGIN"},
		{"other method", http.MethodPost, local, nil, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := start(t, sandbox.Config{Faults: faults(t, "create-429=1")})
			code, text := manage(t, v.srv, test.method, "", test.from, test.headers...)
			if code != test.status || !strings.Contains(text, test.code) {
				t.Errorf("got %d %s, want %d %s", code, text, test.status, test.code)
			}
			want := http.StatusTooManyRequests
			if test.status == http.StatusOK {
				want = http.StatusOK
			}
			if a := v.get("screenshot/create", with("url", "https://example.com/")); a.status != want {
				t.Errorf("create afterwards: status %d, want %d", a.status, want)
			}
		})
	}
}
