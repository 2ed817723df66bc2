package api

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs"
)

func TestRowLimit(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxRows = 3 })
	list := func(n int) string { return strings.Repeat("a.test\n", n) }
	table := func(n int) string { return "url,note\n" + strings.Repeat("a.test,\"two\nlines\"\n", n) }
	body := func(n int) string {
		return `{"jobs":[` + strings.TrimSuffix(strings.Repeat("{\"url\":\"a.test\"},\n", n), ",\n") + `]}`
	}
	for name, test := range map[string]struct {
		kind               string
		make               func(n int) string
		location, wantText string
	}{
		"JSON":  {"application/json", body, "body.jobs[3]", "row 4: a batch has at most 3 rows"},
		"list":  {"text/csv", list, "body", "row 4 (line 4): a batch has at most 3 rows"},
		"table": {"text/csv", table, "body", "row 4 (line 8): a batch has at most 3 rows"},
		"form":  {"", func(n int) string { return list(n) }, "body", "row 4 (line 4): a batch has at most 3 rows"},
	} {
		for _, n := range []int{3, 4, 50} {
			text, kind := test.make(n), test.kind
			if kind == "" {
				text, kind = form(t, "file@", text)
			}
			a := r.do("POST", "/v1/batches", text, "Content-Type", kind)
			if n == 3 {
				a.want(202)
				continue
			}
			got := a.want(413)
			if detail, _ := got["detail"].(string); !strings.Contains(detail, test.wantText) || !strings.Contains(detail, "--max-rows") {
				t.Errorf("%s of %d rows: got %q", name, n, detail)
			}
			if errs := fmt.Sprint(got["errors"]); !strings.Contains(errs, test.location) {
				t.Errorf("%s of %d rows: errors %s", name, n, errs)
			}
		}
	}
	if all, err := r.store.Batches(t.Context(), "", 100); err != nil || len(all) != 4 {
		t.Errorf("%d batches, %v; want the 4 that were accepted", len(all), err)
	}
}

// TestNoWorkIsAcceptedWithoutRoom checks that jobs and batches are refused if any
// of the checks of the disk fails, and that nothing of them remains.
func TestNoWorkIsAcceptedWithoutRoom(t *testing.T) {
	for checks := range 5 {
		left := checks
		r := newRig(t, func(c *Config) {
			c.Room = func() error {
				if left--; left < 0 {
					return fmt.Errorf("%w: 5 bytes are free", jobs.ErrNoRoom)
				}
				return nil
			}
		})
		if checks == 0 {
			r.do("POST", "/v1/jobs", `{"url":"a.test"}`).want(507)
		}
		var rows strings.Builder
		for i := range 4000 {
			fmt.Fprintf(&rows, "https://a.test/%d/%s\n", i, strings.Repeat("x", 500))
		}
		a := r.do("POST", "/v1/batches", rows.String(), "Content-Type", "text/csv")
		got := a.want(507)
		if detail, _ := got["detail"].(string); !strings.Contains(detail, "free some space") || a.header.Get("Retry-After") == "" {
			t.Errorf("after %d checks: got %q, Retry-After %q", checks, detail, a.header.Get("Retry-After"))
		}
		if all, err := r.store.Batches(t.Context(), "", 10); err != nil || len(all) != 0 {
			t.Errorf("after %d checks: batches %v, %v", checks, all, err)
		}
		if names := spoolFiles(t, r.config.SpoolDir); len(names) > 0 {
			t.Errorf("after %d checks: %q are left", checks, names)
		}
		if left >= 0 {
			t.Fatalf("the disk was checked only %d times", checks-left)
		}
	}
}

func spoolFiles(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLeftoverSpoolFilesAreRemoved(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{".shotline-body-1", ".shotline-body-22", ".other", "shotline.db"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newRig(t, func(c *Config) { c.SpoolDir = folder })
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Name() != ".other" || entries[1].Name() != "shotline.db" {
		t.Errorf("%v are left", entries)
	}
}
