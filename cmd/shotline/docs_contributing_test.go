package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContributingCommands checks that the commands and paths in CONTRIBUTING.md
// exist.
func TestContributingCommands(t *testing.T) {
	text := readFile(t, ".github/CONTRIBUTING.md")
	if shown := checkCommands(t, text); shown == 0 {
		t.Error("no commands in CONTRIBUTING.md")
	}
	paths := 0
	for _, word := range words(text) {
		if strings.ContainsAny(word, " *…") || !strings.Contains(word, "/") || strings.HasPrefix(word, "/") || strings.HasPrefix(word, ".build/") {
			continue
		}
		paths++
		if _, err := os.Stat(filepath.Join("../..", word)); err != nil {
			t.Errorf("%s does not exist", word)
		}
	}
	if paths == 0 {
		t.Error("no paths in CONTRIBUTING.md")
	}
}
