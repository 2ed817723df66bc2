package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shotline/jobs"
)

// TestReadmeEvents holds the list of events in the paragraph about sinks to the
// table of events. Last come those that `all` leaves out.
func TestReadmeEvents(t *testing.T) {
	paragraph := readmeParagraph(t, "A sink is `NAME[:FORMAT][:EVENTS]=URL`.")
	var got []string
	for _, word := range words(paragraph) {
		if subject, _, isType := strings.Cut(word, "."); isType && slices.Contains([]jobs.Subject{jobs.SubjectJob, jobs.SubjectBatch, jobs.SubjectForeign}, jobs.Subject(subject)) {
			got = append(got, word)
		}
	}
	var want, named []string
	for _, info := range jobs.EventTable {
		if info.Sinks == jobs.SinksNamed {
			named = append(named, string(info.Type))
		} else {
			want = append(want, string(info.Type))
		}
	}
	if want = append(want, named...); !slices.Equal(got, want) {
		t.Errorf("the README lists %q, want %q", got, want)
	}
}

// readmeParagraph finds the one paragraph of all READMEs that begins so.
func readmeParagraph(t *testing.T, beginning string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "README.md" {
			return err
		}
		text, err := os.ReadFile(path)
		for paragraph := range strings.SplitSeq(string(text), "\n\n") {
			if strings.HasPrefix(paragraph, beginning) {
				found = append(found, paragraph)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("%d paragraphs of READMEs begin with %q", len(found), beginning)
	}
	return found[0]
}
