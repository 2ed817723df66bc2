package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mayImport lists the packages of this module, and for each one the packages that
// it may import. Imports point down only.
var mayImport = map[string][]string{
	"jobs":                  {},
	"client":                {},
	"client/excerpt":        {},
	"client/pageurl":        {},
	"client/parameter":      {"client/excerpt"},
	"receiver/signature":    {},
	"receiver/listener":     {},
	"jobs/artifact":         {"client/pageurl", "jobs"},
	"jobs/weburl":           {"client/excerpt"},
	"jobs/compare":          {"jobs", "jobs/number", "jobs/summary"},
	"jobs/picture":          {},
	"jobs/csvfile":          {"client/excerpt", "client/parameter", "jobs", "jobs/number", "jobs/resultcolumn", "jobs/weburl"},
	"jobs/input":            {"client/excerpt", "client/parameter", "jobs", "jobs/csvfile", "jobs/jobjson", "jobs/number", "jobs/weburl"},
	"jobs/jobjson":          {"jobs"},
	"jobs/finding":          {"jobs", "jobs/number"},
	"jobs/number":           {},
	"jobs/resultcolumn":     {},
	"jobs/summary":          {"client/pageurl", "jobs", "jobs/csvfile", "jobs/jobjson", "jobs/number", "jobs/resultcolumn", "jobs/weburl"},
	"jobs/sqlite":           {"jobs", "jobs/number", "jobs/wholefile"},
	"jobs/storetest":        {"jobs"},
	"jobs/tasks":            {"jobs", "jobs/number"},
	"jobs/timeline":         {"jobs"},
	"jobs/wholefile":        {},
	"receiver":              {"jobs", "receiver/signature"},
	"client/outward":        {},
	"client/sandbox":        {"client/pageurl", "client/parameter", "client/sandbox/raster"},
	"client/sandbox/pages":  {"client/pageurl"},
	"client/sandbox/raster": {},
	"client/sandbox/egress": {"client/outward"},
	"client/sandbox/chrome": {"client/pageurl", "client/sandbox", "client/sandbox/egress", "client/sandbox/raster"},
	"orchestrator":          {"jobs", "jobs/number", "jobs/summary", "client", "client/excerpt", "client/parameter", "orchestrator/feed", "orchestrator/throttle"},
	"orchestrator/feed":     {"jobs"},
	"orchestrator/throttle": {},
	"orchestrator/api":      {"jobs", "jobs/csvfile", "jobs/finding", "jobs/input", "jobs/jobjson", "jobs/summary", "jobs/timeline", "jobs/weburl", "client", "client/parameter"},
	"orchestrator/download": {"jobs", "jobs/artifact", "client"},
	"orchestrator/callback": {"jobs", "jobs/jobjson", "jobs/number", "client/outward"},
	"testdata":              {},
	// Programs shown in the docs, for users of the HTTP API.
	"testdata/programs/callback": {},
	"testdata/programs/first":    {},
	"testdata/programs/order":    {},
	// It writes databases of a million jobs directly with the store.
	"cmd/bench": {"jobs", "jobs/sqlite", "receiver/signature"},
	// It joins the packages for Go programs, as cmd does for the command line. Only
	// cmd imports it.
	"orchestrator/engine": {"client", "jobs", "jobs/csvfile", "jobs/tasks", "orchestrator", "orchestrator/callback", "orchestrator/download", "orchestrator/throttle",
		"receiver", "receiver/signature"},
	// It simulates everything except the command line.
	"orchestrator/simulation": {"client", "jobs", "jobs/sqlite", "orchestrator", "orchestrator/callback", "orchestrator/download", "receiver", "receiver/signature"},
}

// standardOnly are the packages that import only the standard library.
var standardOnly = []string{"jobs", "jobs/jobjson", "jobs/number", "jobs/resultcolumn", "jobs/timeline", "jobs/wholefile", "client", "client/excerpt", "client/pageurl", "client/parameter", "receiver/signature", "receiver/listener"}

func TestImportsPointDown(t *testing.T) {
	root := "../.."
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != root {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := path.Dir(filepath.ToSlash(relative))
		if name == "cmd/shotline" {
			return nil // imports everything
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in mayImport", name)
			return nil
		}
		seen[name] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, isOurs := strings.CutPrefix(imported, "shotline/")
			switch {
			case isOurs && !slices.Contains(allowed, ours):
				t.Errorf("%s must not import %s", relative, ours)
			case !isOurs && strings.Contains(imported, ".") && slices.Contains(standardOnly, name):
				t.Errorf("%s imports %s; package %s uses the standard library only", relative, imported, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("package %s is in mayImport but does not exist", name)
		}
	}
}

// TestArchitectureTable checks that the table of the architecture names every
// package.
func TestArchitectureTable(t *testing.T) {
	var got []string
	for _, row := range docTable(t, "orchestrator/README.md", "## Architecture", "folder") {
		folder := row.names[0]
		got = append(got, path.Clean(folder))
		for _, word := range words(row.cells[1]) {
			if strings.HasSuffix(word, "/") {
				got = append(got, path.Join(folder, word))
			}
		}
	}
	want := []string{"cmd/shotline"}
	for name := range mayImport {
		if !strings.HasPrefix(name, "testdata") {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages of the table (-want +got):\n%s", diff)
	}
}
