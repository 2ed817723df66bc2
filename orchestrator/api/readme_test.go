package api

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// tableWords returns the words in `code` that match pattern, from the first cells
// of the tables below a heading of a README.
func tableWords(t *testing.T, readme, heading, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", readme, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	word := regexp.MustCompile("`(" + pattern + ")`")
	var words []string
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, match := range word.FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			words = append(words, match[1])
		}
	}
	slices.Sort(words)
	return words
}

// TestReadmeRoutes checks that the README's table of routes lists all routes of
// the contract, and no others.
func TestReadmeRoutes(t *testing.T) {
	var want []string
	for path, item := range newRig(t, nil).contract.doc.Paths {
		if item.Get != nil {
			want = append(want, "GET "+path)
		}
		if item.Post != nil {
			want = append(want, "POST "+path)
		}
	}
	slices.Sort(want)
	if got := tableWords(t, "README.md", "Routes", "(?:GET|POST) /[^`]*"); !slices.Equal(got, want) {
		t.Errorf("the table of routes has\n%q, want\n%q", got, want)
	}
}

// TestReadmeMetrics checks that the table of metrics in the README of cmd/shotline
// lists all metrics of /metrics, and no others.
func TestReadmeMetrics(t *testing.T) {
	registry := newRig(t, nil).config.Metrics.registry
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		registry.Describe(descriptions)
	}()
	name := regexp.MustCompile(`fqName: "(shotline_\w+)"`)
	var want []string
	for description := range descriptions {
		if match := name.FindStringSubmatch(description.String()); match != nil {
			want = append(want, match[1])
		}
	}
	slices.Sort(want)
	if got := tableWords(t, "../../cmd/shotline/README.md", "Metrics", `shotline_\w+`); !slices.Equal(got, want) {
		t.Errorf("the table of metrics has\n%q, want\n%q", got, want)
	}
}
