package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// maxReadme is the largest number of lines of the project's README.
const maxReadme = 250

// TestLinks checks that every relative link in a Markdown file names a file of
// the repository, and a heading in that file if it has an anchor.
func TestLinks(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".build") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(file) != ".md" {
			return nil
		}
		files++
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range link.FindAllSubmatch(fence.ReplaceAll(text, nil), -1) {
			target := string(match[1])
			if strings.Contains(target, "://") {
				continue
			}
			path, anchor, _ := strings.Cut(target, "#")
			linked := file
			if path != "" {
				linked = filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
			}
			if err := checkTarget(linked, anchor); err != nil {
				t.Errorf("%s: link %s: %v", file, target, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("%d Markdown files, want at least 10", files)
	}
	if lines := strings.Count(readFile(t, "README.md"), "\n"); lines > maxReadme {
		t.Errorf("README.md has %d lines, want %d at most", lines, maxReadme)
	}
}

// checkTarget returns an error if the file does not exist, or if it has no
// heading with the anchor.
func checkTarget(file, anchor string) error {
	if anchor == "" {
		_, err := os.Stat(file)
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, match := range heading.FindAllSubmatch(fence.ReplaceAll(text, nil), -1) {
		if anchorOf(string(bytes.TrimSpace(match[1]))) == anchor {
			return nil
		}
	}
	return errors.New("no such heading")
}

// anchorOf returns the anchor that GitHub generates for a heading.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, heading)
}
