package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
)

// TestListReportsOmittedItems checks that a list that ends at its limit prints a
// note.
func TestListReportsOmittedItems(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "shotline.db")
	store, err := openStore(t.Context(), db, jobs.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Now()
	add := func(batch string, rows int) {
		t.Helper()
		requests := make([]jobs.Request, rows)
		for i := range requests {
			requests[i] = jobs.Request{Line: i + 1, URL: fmt.Sprintf("https://a.test/%s/%d", batch, i)}
			if i%2 == 1 {
				requests[i].Reject = "no"
			}
		}
		err := store.CreateBatch(t.Context(), jobs.BatchSpec{ID: batch}, now)
		if err == nil {
			err = store.AppendRequests(t.Context(), batch, requests, now)
		}
		if err == nil {
			_, err = store.OpenBatch(t.Context(), batch, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("large", 1200)
	for i := range 104 {
		add(fmt.Sprintf("b%d", i), 1)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args    string
		lines   int
		wantErr string
	}{
		{"list", 101, "100 of 105 batches: --after b4 continues, --all lists all\n"},
		{"list --after b4", 6, ""},
		{"list --all", 106, ""},
		{"list --limit 105", 106, ""},
		{"list --json", 105, ""},
		{"list --json --limit 100", 100, "100 of 105 batches: --after b4 continues, --all lists all\n"},
		{"list large --json", 1200, ""},
		{"list large --state rejected --json", 600, ""},
		{"list large", 101, "100 of 1,200 jobs: --after large-100 continues, --all lists all\n"},
		{"list large --all", 1201, ""},
		{"list large --limit 700 --json", 700, "700 of 1,200 jobs: --after large-700 continues, --all lists all\n"},
		{"list large --state rejected", 101, "100 of 600 matching jobs: --after large-200 continues, --all lists all\n"},
		{"list large --state rejected,queued --after large-1100", 101, ""},
		{"list large --state rejected,queued --after large-1099", 101, "100 of 1,200 matching jobs: --after large-1199 continues, --all lists all\n"},
	} {
		code, stdout, stderr := invoke(t, append(strings.Fields(test.args), "--db", db)...)
		if lines := strings.Count(stdout, "\n"); code != exitOK || lines != test.lines || stderr != test.wantErr {
			t.Errorf("%s: exit code %d, %d lines, stderr %q; want %d and %q", test.args, code, lines, stderr, test.lines, test.wantErr)
		}
		for line := range strings.Lines(stderr) {
			if len(line) > 81 {
				t.Errorf("%s: line is longer than 80 characters: %q", test.args, line)
			}
		}
	}
	if code, _, stderr := invoke(t, "list", "large", "--after", "b4-1", "--db", db); code != exitUsage || !strings.Contains(stderr, "this one belongs to batch b4") {
		t.Errorf("--after a job of another batch: exit code %d, stderr %q", code, stderr)
	}
	if code, _, stderr := invoke(t, "list", "--all", "--limit", "3", "--db", db); code != exitUsage || !strings.Contains(stderr, "exclude each other") {
		t.Errorf("--all with --limit: exit code %d, stderr %q", code, stderr)
	}
}

// TestOutIsStandardOutput checks --out in every command that has it.
func TestOutIsStandardOutput(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	if code, _, stderr := invoke(t, "submit", "https://a.test/"); code != exitOK {
		t.Fatal(stderr)
	}
	_, stdout, _ := invoke(t, "list", "--json")
	_, rest, _ := strings.Cut(stdout, `"batch_id":"`)
	batch, _, _ := strings.Cut(rest, `"`)
	code, rerun, stderr := invoke(t, "rerun", batch, "--quiet") // one that can be compared
	if code != exitOK {
		t.Fatal(stderr)
	}
	for _, id := range []string{batch, strings.TrimSpace(rerun)} {
		if code, _, stderr := invoke(t, "cancel", id); code != exitOK { // reports about an open batch change over time
			t.Fatal(stderr)
		}
		batch = id
	}
	tried := 0
	for _, command := range newApp(streams{}).Commands {
		if findFlag(command.Flags, "out") == nil {
			continue
		}
		tried++
		of := batch
		if command.Name == "init" {
			of = "prometheus"
		}
		code, direct, stderr := invoke(t, command.Name, of)
		if code != exitOK || direct == "" {
			t.Fatalf("%s: exit code %d, stderr %q", command.Name, code, stderr)
		}
		if code, stdout, stderr := invoke(t, command.Name, of, "--out", "-"); code != exitOK || stdout != direct {
			t.Errorf("%s --out -: exit code %d, stdout %q, stderr %q; want %q", command.Name, code, stdout, stderr, direct)
		}
		if code, stdout, stderr := invoke(t, command.Name, of, "--out", "./-"); code != exitOK || stdout != "" {
			t.Errorf("%s --out ./-: exit code %d, stdout %q, stderr %q", command.Name, code, stdout, stderr)
		}
		if text, err := os.ReadFile("-"); err != nil || string(text) != direct {
			t.Errorf("%s --out ./- wrote %q, %v; want %q", command.Name, text, err, direct)
		}
		if err := os.Remove("-"); err != nil {
			t.Error(err)
		}
	}
	if tried < 2 {
		t.Errorf("%d commands have --out, want at least 2", tried)
	}
	for _, args := range [][]string{{"summary", batch, "--format", "html", "--pictures", "--out", "-"}, {"backup", "-"}} {
		if code, _, stderr := invoke(t, args...); code != exitUsage {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error("a file named - was written")
	}
}

// TestListLimit checks the limit of every command that lists a page at a time.
func TestListLimit(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, command := range newApp(streams{}).Commands {
		if findFlag(command.Flags, allFlag.Name) == nil {
			continue
		}
		tried++
		for args, want := range map[string]int{
			"": 100, "--limit 7": 7, "--all": math.MaxInt, "--json": math.MaxInt, "--json --all": math.MaxInt, "--json --limit 7": 7,
		} {
			app := newApp(streams{})
			got := 0
			app.Command(command.Name).Action = func(c *cli.Context) (err error) { got, err = listLimit(c); return err }
			if err := app.Run(append([]string{"shotline", command.Name}, strings.Fields(args)...)); err != nil || got != want {
				t.Errorf("%s %s: got %d, %v, want %d", command.Name, args, got, err, want)
			}
		}
	}
	if tried < 2 {
		t.Errorf("%d commands have --all, want at least 2", tried)
	}
}
