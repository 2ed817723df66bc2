package input_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"shotline/jobs/input"
)

// TestManyFiles reads more files than the process can have open.
func TestManyFiles(t *testing.T) {
	folder := t.TempDir()
	const parts = 300
	var index strings.Builder
	files := map[string]string{}
	for i := range parts {
		name := fmt.Sprintf("s%d.xml", i)
		files[name] = fmt.Sprintf("<urlset><url><loc>https://a.example/%d</loc></url></urlset>", i)
		fmt.Fprintf(&index, "<sitemap><loc>https://a.example/%s</loc></sitemap>", name)
	}
	files["index.xml"] = "<sitemapindex>" + index.String() + "</sitemapindex>"
	write(t, folder, files)

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = parts / 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	})
	r, err := input.OpenFiles([]string{filepath.Join(folder, "index.xml")}, nil, input.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := collect(t, r)
	if len(rows) != parts {
		t.Errorf("got %d rows, want %d", len(rows), parts)
	}
	for i, row := range rows {
		if want := fmt.Sprintf("https://a.example/%d", i); row.URL != want {
			t.Fatalf("row %d: got %s, want %s", i, row.URL, want)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
