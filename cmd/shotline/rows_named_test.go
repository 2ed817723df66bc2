package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRowsAreNamedByRowAndLine imports a table whose cells and comments shift the
// lines, and checks that all commands name a row by its number in the batch and
// by the line that an editor shows.
func TestRowsAreNamedByRowAndLine(t *testing.T) {
	t.Parallel()
	const table = "url,note\n" +
		"https://a.test/,\"one\n" + // row 1, lines 2 to 4
		"two\n" +
		"three\"\n" +
		"\n" +
		"\"https://b.test/\",\"one\ntwo\"\n" + // row 2, line 6
		"ftp://c.test/,bad\n" + // row 3, line 8
		"https://a.test/,again\n" // row 4, line 9
	for name, text := range map[string]string{"LF": table, "CRLF": strings.ReplaceAll(table, "\n", "\r\n")} {
		folder := t.TempDir()
		file, db := filepath.Join(folder, "rows.csv"), filepath.Join(folder, "a.db")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run := func(args ...string) (stdout, stderr string) {
			t.Helper()
			code, stdout, stderr := invoke(t, append(args, "--db", db)...)
			if code != exitOK {
				t.Fatalf("%s: %v: exit code %d, stderr %q", name, args, code, stderr)
			}
			return stdout, stderr
		}
		contains := func(command, text string, wants ...string) {
			t.Helper()
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %s printed %q, want %q in it", name, command, text, want)
				}
			}
		}
		stdout, stderr := run("submit", file)
		contains("submit", stdout, ": 4 rows, 2 accepted, 1 duplicate, 1 rejected\n")
		contains("submit", stderr, "row 3, line 8 rejected: ")
		id, _, _ := strings.Cut(strings.TrimPrefix(stdout, "batch "), ":")

		stdout, _ = run("list", id, "--json")
		contains("list --json", stdout, `"row":1,"line":2,`, `"row":2,"line":6,`, `"row":3,"line":8,`, `"row":4,"line":9,`)
		stdout, _ = run("list", id)
		header, rows, _ := strings.Cut(stdout, "\n")
		column := strings.Index(header, "LINE")
		for i, line := range strings.SplitAfterN(rows, "\n", 4) {
			if got, want := line[column:column+2], []string{"2 ", "6 ", "8 ", "9 "}[i]; got != want {
				t.Errorf("%s: list shows line %q of row %d, want %q:\n%s", name, got, i+1, want, stdout)
			}
		}
		stdout, _ = run("status", id+"-2", "--json")
		contains("status --json", stdout, `"row":2,"line":6,`)
		stdout, _ = run("status", id+"-3")
		contains("status", stdout, "  row          3\n", "  line         8\n")
		stdout, _ = run("results", id, "--json")
		contains("results --json", stdout, `"row":3,"line":8,`)
		stdout, _ = run("results", id)
		for i, line := range []string{",2", ",6", ",8", ",9"} {
			if !strings.Contains(stdout, line+"\n") && !strings.Contains(stdout, line+"\r\n") && !strings.Contains(stdout, line+",") {
				t.Errorf("%s: results have no line %s of row %d:\n%s", name, line, i+1, stdout)
			}
		}
		stdout, _ = run("summary", id)
		contains("summary", stdout, "row 3, line 8  ")
		stdout, _ = run("summary", id, "--format", "html")
		contains("the sheet", stdout, ">row 3, line 8<", ">row 2, line 6<", ">row 1, line 2<")
	}
}
