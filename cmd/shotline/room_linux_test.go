package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
)

// TestImportLeavesRoomOnDisk imports a file that is larger than the disk. The
// import must be removed completely, the error must say what to do, and a later
// import must work.
func TestImportLeavesRoomOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk")
	}
	const size = 96 << 20
	storetest.WithDisk(t, size, func(t *testing.T, d *storetest.Disk) {
		db := d.Path("shotline.db")
		large, small := filepath.Join(t.TempDir(), "large.csv"), filepath.Join(t.TempDir(), "small.csv")
		var rows bytes.Buffer
		rows.WriteString("url,note\n")
		note := strings.Repeat("x", 8<<10)
		for i := range 12_000 {
			fmt.Fprintf(&rows, "https://a.test/%d,%s\n", i, note)
		}
		for file, text := range map[string][]byte{large: rows.Bytes(), small: []byte("https://a.test/\n")} {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		submit := func(file string) (code int, stderr string) {
			var errs bytes.Buffer
			code = run(t.Context(), []string{"shotline", "submit", file, "--db", db}, streams{in: strings.NewReader(""), out: new(bytes.Buffer), err: &errs})
			return code, errs.String()
		}
		for range 2 {
			code, stderr := submit(large)
			if code != exitFailed || !strings.Contains(stderr, "not enough free space on the disk") || !strings.Contains(stderr, "free some space") || !strings.Contains(stderr, db) {
				t.Errorf("large import: exit code %d, stderr %q", code, stderr)
			}
			free, _, err := freeSpace(db)
			if err != nil {
				t.Fatal(err)
			}
			if free < size/20 {
				t.Errorf("%d bytes are free, too few for webhooks", free)
			}
		}
		store, err := sqlite.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if list, err := store.Batches(t.Context(), "", 10); err != nil || len(list) != 0 {
			t.Errorf("got batches %v (%v), want none", list, err)
		}
		if code, stderr := submit(small); code != exitOK {
			t.Errorf("small import: exit code %d, stderr %q", code, stderr)
		}
	})
}
