package weburl_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shotline/jobs/weburl"
)

// TestPlatform runs the tests of the web platform, which come with the library.
// Normalize agrees with them except where it refuses what nobody means.
func TestPlatform(t *testing.T) {
	const inputs, agreeing = 269, 246
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/nlnwa/whatwg-url").Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "urltestdata.json"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []json.RawMessage // objects, and comments as strings
	if err := json.Unmarshal(data, &entries); err != nil {
		t.Fatal(err)
	}
	kinder := []string{"want two slashes", "control characters", "host must not contain", "host has an empty part"}
	web := regexp.MustCompile(`(?i)^https?:`)
	seen, agree := 0, 0
	for _, raw := range entries {
		var entry struct {
			Input, Href string
			Base        *string
			Failure     bool
		}
		if json.Unmarshal(raw, &entry) != nil || entry.Base != nil ||
			!web.MatchString(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(weburl.Trim(entry.Input))) {
			continue
		}
		seen++
		got, err := weburl.Normalize(entry.Input)
		switch {
		case got == entry.Href: // both are empty if it is refused
			agree++
		case err == nil || !slices.ContainsFunc(kinder, func(why string) bool { return strings.Contains(err.Error(), why) }):
			t.Errorf("%q became %q (%v), want %q", entry.Input, got, err, entry.Href)
		}
	}
	if seen != inputs || agree != agreeing {
		t.Errorf("%d of %d inputs agree, want %d of %d", agree, seen, agreeing, inputs)
	}
}
