package main

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"testing"
	"time"

	"shotline/client/sandbox"
	"shotline/client/sandbox/chrome"
	"shotline/client/sandbox/pages"
)

// TestWalks runs programs in two other languages that call every endpoint of the
// sandbox, using only their standard libraries.
func TestWalks(t *testing.T) {
	t.Parallel()
	for _, walk := range []struct {
		script   string
		programs []string
		renderer func(t *testing.T) sandbox.Renderer
	}{
		{"walk.mjs", []string{"node", "nodejs"}, newBrowser},
		{"walk.py", []string{"python3"}, func(*testing.T) sandbox.Renderer {
			return &sandbox.PlainRenderer{Fail: pages.Fail}
		}},
	} {
		t.Run(walk.script, func(t *testing.T) {
			t.Parallel()
			program := findProgram(t, walk.programs)
			calls := runScript(t, program, walk.script, sandbox.Config{Renderer: walk.renderer(t), Workers: 2}).Calls
			for _, endpoint := range sandbox.Endpoints() {
				if calls[endpoint] == 0 {
					t.Errorf("%s was never called", endpoint)
				}
			}
		})
	}
}

// TestUsages repeats the usage examples of the vendor's SDKs and pages, in each
// form of responses that the sandbox has.
func TestUsages(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]sandbox.Config{
		"arrays":        {},
		"bare, objects": {NoEnvelope: true, ListForm: sandbox.ListObject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := findProgram(t, []string{"python3"})
			cfg.Renderer, cfg.Workers = newBrowser(t), 2
			runScript(t, program, "usages.py", cfg)
		})
	}
}

// newBrowser returns a renderer for the demo pages.
func newBrowser(t *testing.T) sandbox.Renderer {
	browser, err := chrome.New(chrome.Config{Path: findBrowser(t), Tabs: 2, Pages: pages.Handler(), Fail: pages.Fail})
	if err != nil {
		t.Fatal(err)
	}
	return browser
}

// findBrowser returns the path of a browser. It skips the test if there is none,
// and in short runs.
func findBrowser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	path, found := chrome.Find()
	if !found {
		t.Skip("no Chromium or Chrome on this machine")
	}
	return path
}

// runScript runs a script of testdata/sdk against a sandbox and returns the
// sandbox's ledger.
func runScript(t *testing.T, program, script string, cfg sandbox.Config) sandbox.Ledger {
	s, err := startSandbox(cfg, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute) // rendering is slow on a busy machine with the race detector
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "../../testdata/sdk/"+script)
	cmd.Env = append(cmd.Environ(),
		"SCREENSHOTCENTER_API_KEY="+sandbox.DefaultAPIKey, "SCREENSHOTCENTER_BASE_URL="+s.url+"/api/v1")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if !bytes.HasPrefix(output, []byte("ok ")) {
		t.Errorf("got output %q, want it to begin with ok", output)
	}
	return s.Ledger()
}

// findProgram returns the path of the first installed program. It skips the test
// if none is installed, and in short runs, because programs in other languages
// take seconds each.
func findProgram(t *testing.T, names []string) string {
	if testing.Short() {
		t.Skip("runs programs in other languages")
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no %s on this machine", names[0])
	return ""
}
