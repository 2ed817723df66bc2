package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"shotline/orchestrator/api"
)

func TestServeDoesNotOpenTheAPIToEverybody(t *testing.T) {
	token, _, err := api.NewToken("ci", true)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		flags []string
		tells string
	}{
		"all interfaces":      {[]string{"--api-listen", "0.0.0.0:0"}, "needs a token"},
		"no address":          {[]string{"--api-listen", ":8081"}, "needs a token"},
		"a host's name":       {[]string{"--api-listen", "127.0.0.1:0", "--api-host", "shots.example"}, "needs a token"},
		"not an address":      {[]string{"--api-listen", "8081"}, "HOST:PORT"},
		"a secret as a token": {[]string{"--api-token", "shotline_s3cret"}, "want NAME:ro|rw:sha256:HEX"},
		"a token's right":     {[]string{"--api-token", strings.Replace(token.String(), ":rw:", ":wr:", 1)}, "want ro or rw"},
		"two of a name":       {[]string{"--api-token", token.String(), "--api-token", token.String()}, "two tokens are named ci"},
		"a URL as a host":     {[]string{"--api-token", token.String(), "--api-host", "https://shots.example"}, "without scheme"},
		"a rate of nothing":   {[]string{"--api-rate", "0/s"}, "--api-rate"},
		"a bare rate":         {[]string{"--api-rate", "50"}, "such as 50/s"},
		"no batches":          {[]string{"--api-max-batch", "0"}, "--api-max-batch"},
	} {
		args := append([]string{"serve", "--db", filepath.Join(t.TempDir(), "a.db"), "--api-key", "k", "--webhook-secret", "s", "--listen", "127.0.0.1:0"}, test.flags...)
		code, printed, told := invoke(t, args...)
		if code != exitUsage || !strings.Contains(told, test.tells) || printed != "" || strings.Contains(told, "s3cret") {
			t.Errorf("%s: ended with %d, printed %q and told %q", name, code, printed, told)
		}
	}
}

func TestRatesOfTheAPI(t *testing.T) {
	for text, want := range map[string]float64{"50/s": 50, "600/m": 10, "0.5/s": 0.5} {
		if got, err := apiRate(text, true); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, loopback := range []bool{true, false} {
		if got, err := apiRate("", loopback); err != nil || (got == 0) != loopback {
			t.Errorf("none, on loopback %v: %v, %v", loopback, got, err)
		}
	}
}

func TestTokensAreMadeOnce(t *testing.T) {
	var made struct {
		Token string `json:"token"`
		Flag  string `json:"api_token"`
	}
	code, printed, told := invoke(t, "token", "--json", "ci", "--read-only")
	if err := json.Unmarshal([]byte(printed), &made); code != exitOK || err != nil {
		t.Fatal(code, printed, told, err)
	}
	token, err := api.ParseToken(made.Flag)
	if err != nil || token.Name != "ci" || token.Write || !strings.HasPrefix(made.Token, "shotline_") || strings.Contains(made.Flag, made.Token) {
		t.Errorf("%+v: %v", made, err)
	}
	code, printed, _ = invoke(t, "token", "ci")
	if code != exitOK || !strings.Contains(printed, "ci:rw:sha256:") || strings.Contains(printed, made.Token) {
		t.Errorf("ended with %d and printed %q", code, printed)
	}
	for _, args := range [][]string{{"token"}, {"token", "CI"}, {"token", "a", "b"}} {
		if code, _, told := invoke(t, args...); code != exitUsage {
			t.Errorf("%q ended with %d: %s", args, code, told)
		}
	}
}
