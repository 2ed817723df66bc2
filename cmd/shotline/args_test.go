package main

import (
	"slices"
	"strings"
	"testing"
)

// FuzzReorder checks that reorder neither loses nor adds arguments, and that a
// second call changes nothing.
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
			t.Fatalf("%q became %q, then %q (%v)", args, ordered, again, err)
		}
	})
}

// FuzzAppID checks that --app-id accepts ID=TEMPLATE with any template.
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

// Several command lines can run at the same time, although they share the
// library's own flags and commands.
func TestConcurrentCommandLines(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"help"}, {"--version"}, {"status", "--help"}, {"help", "status"}, {"callbacks", "list", "--help"},
		{"list", "--no-such-flag"}, {"no-such-command"},
	} {
		for range 3 {
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				t.Parallel()
				if _, stdout, stderr := invoke(t, args...); stdout+stderr == "" {
					t.Error("got no output")
				}
			})
		}
	}
}
