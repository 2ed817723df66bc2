package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

// TestReadmeTables holds the README's tables of the sandbox to what it does:
// every endpoint, option and fault has its row, and every row the test that
// shows it.
func TestReadmeTables(t *testing.T) {
	tests := testNames(t, "../../client/sandbox", ".")

	var endpoints []string
	for _, name := range sandbox.Endpoints() {
		endpoints = append(endpoints, "/"+name)
	}
	rows := readmeTable(t, "### Endpoints", tests)
	wantNames(t, rows, endpoints)

	treatments := make(map[string]string)
	for _, o := range sandbox.Options() {
		treatments[o.Name] = string(o.Treatment)
	}
	rows = readmeTable(t, "### Options", tests)
	wantNames(t, rows, slices.Collect(maps.Keys(treatments)))
	for _, row := range rows {
		for _, name := range row.names {
			if want := treatments[name]; want != "" && row.cells[1] != want {
				t.Errorf("%s is %s in the README, and %s", name, row.cells[1], want)
			}
		}
	}

	var faults []string
	for _, f := range sandbox.FaultList() {
		faults = append(faults, f.Name)
	}
	wantNames(t, readmeTable(t, "### Faults", tests), faults)
}

// readmeRow is one row of a table; names are the words in `code` of its first
// cell.
type readmeRow struct {
	names []string
	cells []string
}

var (
	code     = regexp.MustCompile("`([^`]+)`")
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// readmeTable reads the first table below a heading. Each row must end with the
// names of tests that exist.
func readmeTable(t *testing.T, heading string, tests map[string]bool) []readmeRow {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "\n"+heading+"\n")
	if !found {
		t.Fatalf("the README has no heading %q", heading)
	}
	var rows []readmeRow
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || !strings.Contains(cells[0], "`") {
			continue
		}
		row := readmeRow{names: words(cells[0])}
		for _, cell := range cells {
			row.cells = append(row.cells, strings.TrimSpace(cell))
		}
		shown := words(cells[len(cells)-1])
		if len(shown) == 0 {
			t.Errorf("%v has no test", row.names)
		}
		for _, test := range shown {
			if !tests[test] {
				t.Errorf("%v: there is no %s", row.names, test)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// words are the words in `code`.
func words(cell string) []string {
	var found []string
	for _, match := range code.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// wantNames compares the names of all rows with those that there are.
func wantNames(t *testing.T, rows []readmeRow, want []string) {
	t.Helper()
	var got []string
	for _, row := range rows {
		got = append(got, row.names...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the README's rows are %q, want %q", got, want)
	}
}

// testNames are the tests below the given folders.
func testNames(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, match := range testFunc.FindAllSubmatch(source, -1) {
				names[string(match[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestReadmeGoProgram holds the program in the README to one that is compiled and
// run.
func TestReadmeGoProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../orchestrator/engine/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "\n## In a Go program\n")
	_, text, _ = strings.Cut(text, "\n```go\n")
	program, _, found := strings.Cut(text, "```\n")
	if !found || program == "" || !strings.Contains(string(example), "\n"+program) {
		t.Errorf("the program is not that of the example:\n%s", program)
	}
}

// TestReadmeReliability holds the table of what was survived to commands that
// there are: each names a target of make, or packages and tests of theirs.
func TestReadmeReliability(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "\n## Reliability\n")
	text, _, _ = strings.Cut(text, "\n## ")
	shown := 0
	for _, match := range code.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.ReplaceAll(match[1], `\|`, "|"))
		switch {
		case len(words) > 1 && words[0] == "make":
			shown++
			if !strings.Contains(string(makefile), "\n"+words[1]+":") {
				t.Errorf("%s: make has no such target", match[1])
			}
		case len(words) > 2 && words[0] == "go" && words[1] == "test":
			shown++
			checkGoTest(t, match[1], words[2:])
		}
	}
	if shown < 10 {
		t.Errorf("%d commands in the section on reliability", shown)
	}
}

// checkGoTest wants the packages of a command to be there, and each
// alternative of -run to be part of a test's name in one of them.
func checkGoTest(t *testing.T, command string, words []string) {
	t.Helper()
	tests := map[string]bool{}
	run := ""
	for i, word := range words {
		switch {
		case strings.HasPrefix(word, "./"):
			folder := strings.TrimSuffix(word, "/...")
			if info, err := os.Stat("../../" + folder); err != nil || !info.IsDir() {
				t.Errorf("%s: there is no %s", command, word)
				continue
			}
			maps.Copy(tests, testNames(t, "../../"+folder))
		case word == "-run":
			run = strings.Trim(words[i+1], "'")
		}
	}
	for alternative := range strings.SplitSeq(run, "|") {
		matches := func(name string) bool { return strings.Contains(name, alternative) }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(tests)), matches) {
			t.Errorf("%s: no test is called %q", command, alternative)
		}
	}
}
