package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs/storetest"
)

// TestDownloadToFullDisk lets a download use up the room of the folder's disk. The
// error must say what to do, the reserve must be left, only complete files may
// exist, and the same command must continue when there is room.
func TestDownloadToFullDisk(t *testing.T) {
	storetest.WithDisk(t, 1<<20, func(t *testing.T, d *storetest.Disk) {
		s := newStage(t)
		var rows strings.Builder
		rows.WriteString("url,param:format,param:screen_width\n")
		const n = 12
		for i := range n {
			fmt.Fprintf(&rows, "https://shop.shotline.test/%d,png,1000\n", i)
		}
		batch := s.submit(exitOK, rows.String())
		dir := d.Path("images")
		d.Fill()
		if code, _, errs := s.download(t.Context(), "", batch, "--dir", dir); code != exitFailed || !strings.Contains(errs, "no space left on device") {
			t.Errorf("full at the start: exit code %d\n%s", code, errs)
		}
		d.Free()
		sizes := fileSizes(t, s, batch)
		ballast := 1<<20 - 160<<10 - sizes*n/2 // leaves room for about half of the files
		if err := os.WriteFile(d.Path("ballast"), make([]byte, max(0, ballast)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := s.download(t.Context(), "", batch, "--dir", dir, "--parallel", "2")
		if code != exitFailed || !strings.Contains(errs, "not enough free space on the disk") || !strings.Contains(errs, "free some space, then run the same command again to continue") {
			t.Fatalf("exit code %d\n%s", code, errs)
		}
		saved := 0
		for _, name := range filesIn(t, dir) {
			if filepath.Ext(name) != ".png" {
				continue
			}
			saved++
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !strings.HasSuffix(string(text), "IEND\xaeB`\x82") {
				t.Errorf("%s is not complete: %d bytes (%v)", name, len(text), err)
			}
		}
		if saved == 0 || saved == n {
			t.Errorf("%d files were saved before the disk was full, want some", saved)
		}
		d.Free()
		code, out, errs := s.download(t.Context(), "", batch, "--dir", dir)
		if code != exitOK {
			t.Fatalf("with room: exit code %d\n%s%s", code, out, errs)
		}
		if got := len(manifestOf(t, dir)); got != n {
			t.Errorf("the manifest has %d entries, want %d", got, n)
		}
	})
}

// fileSizes returns the size of the files of a batch, on average.
func fileSizes(t *testing.T, s *stage, batch string) int {
	t.Helper()
	dir := t.TempDir()
	if code, _, errs := s.download(t.Context(), "", batch, "--dir", dir); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	total := 0
	entries := manifestOf(t, dir)
	for _, e := range entries {
		total += int(e.Bytes)
	}
	return total / len(entries)
}
