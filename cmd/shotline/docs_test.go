package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"shotline/client/sandbox"
	"shotline/jobs"
)

// readFile returns a file of the repository.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the text below a heading, up to the next heading of the same
// level.
func section(t *testing.T, file, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(readFile(t, file), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", file, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+level+" ")
	return text
}

// docRow is one row of a table. Names are the words in `code` of its first cell.
type docRow struct {
	names []string
	cells []string
}

var (
	code     = regexp.MustCompile("`([^`]+)`")
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// docTable returns the rows of the first table below a heading whose first cells
// have a header named first.
func docTable(t *testing.T, file, heading, first string) []docRow {
	t.Helper()
	_, text, found := strings.Cut(section(t, file, heading), "\n| "+first+" |")
	if !found {
		t.Fatalf("%s: no table of %q below %q", file, first, heading)
	}
	var rows []docRow
	for _, line := range strings.Split(text, "\n")[2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		line = strings.ReplaceAll(line, `\|`, "¦") // an escaped bar is part of a cell
		row := docRow{}
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			row.cells = append(row.cells, strings.TrimSpace(cell))
		}
		row.names = words(row.cells[0])
		rows = append(rows, row)
	}
	return rows
}

// words returns the words in `code`.
func words(cell string) []string {
	var found []string
	for _, match := range code.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// wantNames compares the names of all rows with the names in the code.
func wantNames(t *testing.T, rows []docRow, want []string) {
	t.Helper()
	var got []string
	for _, row := range rows {
		got = append(got, row.names...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%q, want\n%q", got, want)
	}
}

// TestSandboxTables checks the tables of the sandbox's README: every endpoint,
// option and fault has a row, and every row names tests that exist.
func TestSandboxTables(t *testing.T) {
	const file = "client/sandbox/README.md"
	tests := testNames(t, "client/sandbox")
	wantTests := func(rows []docRow) {
		t.Helper()
		for _, row := range rows {
			shown := words(row.cells[len(row.cells)-1])
			if len(shown) == 0 {
				t.Errorf("%v has no test", row.names)
			}
			for _, test := range shown {
				if !tests[test] {
					t.Errorf("%v: there is no %s", row.names, test)
				}
			}
		}
	}

	var endpoints []string
	for _, name := range sandbox.Endpoints() {
		endpoints = append(endpoints, "/"+name)
	}
	rows := docTable(t, file, "## Endpoints", "endpoint")
	wantNames(t, rows, endpoints)
	wantTests(rows)

	treatments := make(map[string]string)
	for _, o := range sandbox.Options() {
		treatments[o.Name] = string(o.Treatment)
	}
	rows = docTable(t, file, "## Options", "parameter")
	wantNames(t, rows, slices.Collect(maps.Keys(treatments)))
	wantTests(rows)
	for _, row := range rows {
		for _, name := range row.names {
			if want := treatments[name]; want != "" && row.cells[1] != want {
				t.Errorf("%s is %s in the README, want %s", name, row.cells[1], want)
			}
		}
	}

	var faults []string
	for _, f := range sandbox.FaultList() {
		faults = append(faults, f.Name)
	}
	rows = docTable(t, file, "## Faults", "fault")
	wantNames(t, rows, faults)
	wantTests(rows)
}

// testNames returns the tests below the given folders.
func testNames(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, _ fs.DirEntry, err error) error {
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

// TestCommandTables checks the README's tables of commands and exit codes.
func TestCommandTables(t *testing.T) {
	var commands []string
	for _, command := range newApp(streams{}).Commands {
		if command.Name != "help" {
			commands = append(commands, command.Name)
		}
	}
	rows := docTable(t, "README.md", "## Commands", "command")
	for i, row := range rows {
		name, _, _ := strings.Cut(row.names[0], " ")
		rows[i].names = []string{name}
	}
	wantNames(t, rows, commands)

	var codes []string
	for _, row := range docTable(t, "README.md", "## Commands", "exit code") {
		codes = append(codes, row.cells[0])
	}
	var want []string
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitFlawed, exitGaveUp} {
		want = append(want, strconv.Itoa(code))
	}
	if !slices.Equal(codes, want) {
		t.Errorf("the table of exit codes has %q, want %q", codes, want)
	}
}

// TestTroubleshootingMessages checks that the messages in the README's section on
// troubleshooting are texts of the code. In the table, … stands for a variable
// part.
func TestTroubleshootingMessages(t *testing.T) {
	var code strings.Builder
	for _, folder := range []string{"client", "cmd/shotline", "jobs", "orchestrator", "receiver"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			code.Write(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	messages := 0
	for _, row := range docTable(t, "README.md", "## Troubleshooting", "symptom") {
		for _, message := range row.names {
			messages++
			for part := range strings.SplitSeq(message, "…") {
				if part = strings.Trim(part, " :;"); !strings.Contains(code.String(), part) {
					t.Errorf("no source has the message %q", part)
				}
			}
		}
	}
	if messages < 10 {
		t.Errorf("%d messages, want at least 10", messages)
	}
}

// TestSettingsTable checks that every flag with an environment variable has a row
// with that variable, and a star if the variable holds a list.
func TestSettingsTable(t *testing.T) {
	want := map[string]string{}
	for _, command := range newApp(streams{}).Commands {
		for _, flag := range command.Flags {
			name := flag.Names()[0]
			if variable, isList := listVariables[name]; isList && isRepeatable(flag) {
				want["--"+name] = "`" + variable + "` *"
			} else if documented, ok := flag.(cli.DocGenerationFlag); ok && !isList && len(documented.GetEnvVars()) > 0 {
				want["--"+name] = "`" + documented.GetEnvVars()[0] + "`"
			}
		}
	}
	rows := docTable(t, "cmd/shotline/README.md", "## Configuration", "flag")
	wantNames(t, rows, slices.Collect(maps.Keys(want)))
	for _, row := range rows {
		if got, want := row.cells[1], want[row.names[0]]; got != want {
			t.Errorf("%v: the variable is %s, want %s", row.names, got, want)
		}
	}
}

// TestEventTable checks the table of events in the README of callbacks: every type,
// and whether sinks of all events receive it.
func TestEventTable(t *testing.T) {
	inAll := map[string]string{}
	for _, info := range jobs.EventTable {
		inAll[string(info.Type)] = "yes"
		if info.Sinks == jobs.SinksNamed {
			inAll[string(info.Type)] = "no"
		}
	}
	rows := docTable(t, "orchestrator/callback/README.md", "## Events", "type")
	wantNames(t, rows, slices.Collect(maps.Keys(inAll)))
	for _, row := range rows {
		if got, want := row.cells[2], inAll[row.names[0]]; got != want {
			t.Errorf("%s: in all is %s, want %s", row.names[0], got, want)
		}
	}
}

// TestEngineProgram checks that the program in the engine's README is part of the
// examples, which are compiled and run.
func TestEngineProgram(t *testing.T) {
	example := readFile(t, "orchestrator/engine/example_test.go")
	_, text, _ := strings.Cut(readFile(t, "orchestrator/engine/README.md"), "\n```go\n")
	program, _, found := strings.Cut(text, "```\n")
	if !found || program == "" || !strings.Contains(example, "\n"+program) {
		t.Errorf("the program is not that of the example:\n%s", program)
	}
}

// TestReliabilityCommands checks that the commands in the section on reliability
// exist: the targets of make, and the packages and tests of go test.
func TestReliabilityCommands(t *testing.T) {
	shown := checkCommands(t, section(t, "orchestrator/README.md", "## Reliability"))
	if shown < 10 {
		t.Errorf("%d commands in the section on reliability", shown)
	}
}

// checkCommands checks the commands in `code` that call make or go test, and
// returns how many there are.
func checkCommands(t *testing.T, text string) (shown int) {
	t.Helper()
	makefile := readFile(t, "Makefile")
	for _, match := range code.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.ReplaceAll(match[1], `\|`, "|"))
		switch {
		case len(words) > 1 && words[0] == "make":
			shown++
			if !strings.Contains(makefile, "\n"+words[1]+":") {
				t.Errorf("%s: make has no such target", match[1])
			}
		case len(words) > 2 && words[0] == "go" && words[1] == "test":
			shown++
			checkGoTest(t, match[1], words[2:])
		}
	}
	return shown
}

// checkGoTest checks that the packages of a command exist, and that each
// alternative of -run is part of a test's name in one of them.
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
			maps.Copy(tests, testNames(t, folder))
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
