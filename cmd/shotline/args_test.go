package main

import (
	"slices"
	"strings"
	"testing"
)

// Reordering loses nothing, invents nothing, keeps the order among flags and
// among arguments, leaves alone what follows "--", and finds no more to do the
// second time.
func FuzzReorder(f *testing.F) {
	for _, line := range []string{
		"", "status\nB\n--json", "--json\nstatus\nB", "--db\nx\nstatus\n--\n--json", "submit\n-\n--tag\n--json", "run\n--tag=a\n--\n-x",
		"--db", "status\n--db", "--\nstatus", "-", "list\n---json\n-db\nx\n=", "--=\nx",
	} {
		f.Add(line)
	}
	app := newApp(streams{})
	f.Fuzz(func(t *testing.T, line string) {
		args := append([]string{"shotline"}, strings.Split(line, "\n")...)
		given := slices.Clone(args)
		ordered, err := reorder(app, args)
		if !slices.Equal(args, given) {
			t.Fatalf("%q was changed to %q", given, args)
		}
		if err != nil {
			if last := args[len(args)-1]; exitCode(err) != exitUsage || !strings.HasPrefix(last, "-") {
				t.Fatalf("%q: %v", args, err)
			}
			return
		}
		if got, want := slices.Sorted(slices.Values(ordered)), slices.Sorted(slices.Values(args)); !slices.Equal(got, want) {
			t.Fatalf("%q became %q", args, ordered)
		}
		again, err := reorder(app, slices.Clone(ordered))
		if err != nil || !slices.Equal(again, ordered) {
			t.Fatalf("%q became %q, and that %q (%v)", args, ordered, again, err)
		}
	})
}

// An app is written ID=TEMPLATE, whatever the template holds.
func FuzzAppID(f *testing.F) {
	for _, seed := range []string{"12", "12=archive/{domain}/{id}.png", "=x", "", " 7 ", "a==b", "1={", "1=a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := serving(t)
		if err := c.Set("app-id", text); err != nil {
			t.Fatal(err)
		}
		found, err := apps(c)
		if err != nil {
			if exitCode(err) != exitUsage || !strings.HasPrefix(strings.TrimSpace(text)+"=", "=") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(found) != 1 || found[0].ID == "" {
			t.Fatalf("%q became %+v", text, found)
		}
		written := found[0].ID
		if strings.Contains(text, "=") {
			written += "=" + found[0].PathTemplate
		}
		if written != strings.TrimSpace(text) {
			t.Fatalf("%q became %+v", text, found)
		}
	})
}

// Command lines may be run at the same time: the library's own flags and commands
// are shared by all of them.
func TestCommandLinesAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"help"}, {"--version"}, {"status", "--help"}, {"help", "status"}, {"callbacks", "list", "--help"},
		{"list", "--no-such-flag"}, {"no-such-command"},
	} {
		for range 3 {
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				t.Parallel()
				if _, printed, told := invoke(t, args...); printed+told == "" {
					t.Error("nothing is printed")
				}
			})
		}
	}
}
