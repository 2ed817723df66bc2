package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"shotline/orchestrator/api"
)

func TestInvalidAPIFlags(t *testing.T) {
	token, _, err := api.NewToken("ci", true)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		flags   []string
		wantErr string
	}{
		"all interfaces":      {[]string{"--api-listen", "0.0.0.0:0"}, "needs a token"},
		"no address":          {[]string{"--api-listen", ":8081"}, "needs a token"},
		"a host name":         {[]string{"--api-listen", "127.0.0.1:0", "--api-host", "shots.example"}, "needs a token"},
		"not an address":      {[]string{"--api-listen", "8081"}, "HOST:PORT"},
		"a secret as a token": {[]string{"--api-token", "shotline_s3cret"}, "want NAME:ro|rw:sha256:HEX"},
		"a token's access":    {[]string{"--api-token", strings.Replace(token.String(), ":rw:", ":wr:", 1)}, "want ro or rw"},
		"a name twice":        {[]string{"--api-token", token.String(), "--api-token", token.String()}, "two tokens are named ci"},
		"a URL as a host":     {[]string{"--api-token", token.String(), "--api-host", "https://shots.example"}, "without scheme"},
		"a rate of zero":      {[]string{"--api-rate", "0/s"}, "--api-rate"},
		"a bare rate":         {[]string{"--api-rate", "50"}, "such as 50/s"},
		"no batches":          {[]string{"--api-max-batch", "0"}, "--api-max-batch"},
	} {
		args := append([]string{"serve", "--db", filepath.Join(t.TempDir(), "a.db"), "--api-key", "k", "--webhook-secret", "s", "--listen", "127.0.0.1:0"}, test.flags...)
		code, stdout, stderr := invoke(t, args...)
		if code != exitUsage || !strings.Contains(stderr, test.wantErr) || stdout != "" || strings.Contains(stderr, "s3cret") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, stdout, stderr)
		}
	}
}

func TestAPIRate(t *testing.T) {
	for text, want := range map[string]float64{"50/s": 50, "600/m": 10, "0.5/s": 0.5} {
		if got, err := apiRate(text, true); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, loopback := range []bool{true, false} {
		if got, err := apiRate("", loopback); err != nil || (got == 0) != loopback {
			t.Errorf("no rate, loopback %v: got %v, %v", loopback, got, err)
		}
	}
}

func TestToken(t *testing.T) {
	var made struct {
		Token string `json:"token"`
		Flag  string `json:"api_token"`
	}
	code, stdout, stderr := invoke(t, "token", "--json", "ci", "--read-only")
	if err := json.Unmarshal([]byte(stdout), &made); code != exitOK || err != nil {
		t.Fatal(code, stdout, stderr, err)
	}
	token, err := api.ParseToken(made.Flag)
	if err != nil || token.Name != "ci" || token.Write || !strings.HasPrefix(made.Token, "shotline_") || strings.Contains(made.Flag, made.Token) {
		t.Errorf("%+v: %v", made, err)
	}
	code, stdout, _ = invoke(t, "token", "ci")
	if code != exitOK || !strings.Contains(stdout, "ci:rw:sha256:") || strings.Contains(stdout, made.Token) {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	for _, args := range [][]string{{"token"}, {"token", "CI"}, {"token", "a", "b"}} {
		if code, _, stderr := invoke(t, args...); code != exitUsage {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
	}
}
