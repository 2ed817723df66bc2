package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
)

// TestDiskTroubleFromEndToEnd checks that webhooks are answered 503 and no
// creates are sent while the disk is full. When there is space again, serve must
// continue without a restart.
func TestDiskTroubleFromEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk")
	}
	storetest.WithDisk(t, 16<<20, func(t *testing.T, d *storetest.Disk) {
		s := newStageAt(t, d.Path("shotline.db"))
		other, err := sqlite.Open(t.Context(), s.db) // opened before the disk is full, because serve could not open it later
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		rows := filepath.Join(t.TempDir(), "rows.csv")
		if err := os.WriteFile(rows, []byte("https://shop.shotline.test/\n"+
			"https://journal.shotline.test/\nhttps://gallery.shotline.test/\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.do(exitOK, "submit", rows)
		list, err := other.Batches(t.Context(), "", 1)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		batch := list[0].ID

		api, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		d.Fill()
		s.serve("--api-listen", api)
		kept := map[string]bool{}
		posted := 0
		wantTrouble := func(desc string) {
			t.Helper()
			for range 20 {
				posted++
				if status := s.post(fmt.Sprint(posted)); status != http.StatusServiceUnavailable {
					t.Fatalf("%s: webhook: status %d, want 503", desc, status)
				}
			}
			s.until("not ready", func() bool { status, _ := s.ask(api, "/readyz"); return status == http.StatusServiceUnavailable })
			if _, body := s.ask(api, "/readyz"); !strings.Contains(body, `"store":{"ok":false,"error":"`) || !strings.Contains(body, `"queue":{"ok":true}`) {
				t.Errorf("%s: readyz returned %s", desc, body)
			}
			if status, _ := s.ask(api, "/healthz"); status != http.StatusOK {
				t.Errorf("%s: healthz: status %d", desc, status)
			}
		}
		wantRecovery := func() {
			t.Helper()
			s.until("a webhook is kept", func() bool {
				posted++
				id := fmt.Sprint(posted)
				kept[id] = s.post(id) == http.StatusOK
				return kept[id]
			})
			s.until("ready", func() bool { status, _ := s.ask(api, "/readyz"); return status == http.StatusOK })
		}

		wantTrouble("full disk")
		if _, body := s.ask(api, "/readyz"); !strings.Contains(body, `"disk":{"ok":false,"error":"0 bytes are free next to `) {
			t.Errorf("readyz returned %s", body)
		}
		if n := len(s.vendor.Ledger().Creates); n != 0 {
			t.Errorf("%d creates while the disk is full", n)
		}
		d.Free()
		wantRecovery()
		s.do(exitOK, "wait", batch, "--timeout", "1m")
		d.Cap(1)
		wantTrouble("I/O error")
		d.Cap(0)
		wantRecovery()

		if n := len(s.vendor.Ledger().Creates); n != 3 {
			t.Errorf("%d creates for 3 jobs", n)
		}
		if n := strings.Count(s.log.String(), `"level":"ERROR"`); n > 12 {
			t.Errorf("%d errors in the log:\n%s", n, s.log)
		}
		inbox, _, err := other.Deliveries(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, d := range inbox {
			there[d.ScreenshotID] = true
		}
		for id, answered := range kept {
			if answered && !there[id] {
				t.Errorf("webhook %s was answered 200 but is not in the inbox", id)
			}
		}
		s.until("the inbox is applied", func() bool {
			_, body := s.ask(api, "/metrics")
			return strings.Contains(body, "\nshotline_inbox_unapplied 0\n")
		})
		_, body := s.ask(api, "/metrics")
		for _, line := range []string{`shotline_webhooks_total{result="not_kept"} `, `shotline_vendor_requests_total{code="200",operation="create"} 3`,
			`shotline_jobs{state="done"} 3`, `shotline_closures_total{closed_by="webhook",late="false",state="done"} 3`, `shotline_ready 1`} {
			if !strings.Contains(body, "\n"+line) {
				t.Errorf("no %q in\n%s", line, body)
			}
		}
	})
}

// TestDamageWhileServing overwrites a page of the table of jobs while serve runs.
func TestDamageWhileServing(t *testing.T) {
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	var rows strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rows, "https://journal.shotline.test/%d\n", i)
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	batch := strings.Fields(strings.ReplaceAll(s.do(exitOK, "submit", file), ":", " "))[1]
	s.do(exitOK, "pause", batch)
	var at int64
	db, err := sql.Open("sqlite3", "file:"+s.db)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(`SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'jobs'`).Scan(&at); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	api, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s.serve("--api-listen", api)
	if status, body := s.ask(api, "/readyz"); status != http.StatusOK {
		t.Fatalf("not ready before the damage: %s", body)
	}
	f, err := os.OpenFile(s.db, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 4096), at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.do(exitOK, "resume", batch)

	s.until("not ready", func() bool { status, _ := s.ask(api, "/readyz"); return status == http.StatusServiceUnavailable })
	s.until("the damage is reported", func() bool {
		_, body := s.ask(api, "/readyz")
		return strings.Contains(body, s.db) && strings.Contains(body, "shotline backup")
	})
	if status := s.post("1"); status != http.StatusServiceUnavailable {
		t.Errorf("webhook: status %d, want 503", status)
	}
	if n := len(s.vendor.Ledger().Creates); n != 0 {
		t.Errorf("got %d creates with a damaged database, want 0", n)
	}
	s.until("it is logged", func() bool {
		return strings.Contains(s.log.String(), "database damaged: submission and webhook intake stopped")
	})
	if n := strings.Count(s.log.String(), "database damaged: submission and webhook intake stopped"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, s.log)
	}
}

// TestFailedReadAndSyncWhileServing checks that webhooks are refused only as long
// as necessary, that no damage is reported, and that serve continues without a
// restart.
func TestFailedReadAndSyncWhileServing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the checks that follow failed reads and syncs")
	}
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		s := newStageAt(t, c.Path("shotline.db"))
		var rows strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&rows, "https://journal.shotline.test/%d\n", i)
		}
		file := filepath.Join(t.TempDir(), "rows.csv")
		if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		batch := strings.Fields(strings.ReplaceAll(s.do(exitOK, "submit", file), ":", " "))[1]
		s.do(exitOK, "pause", batch)
		api, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		s.serve("--api-listen", api)
		metric := func(name string) bool {
			_, body := s.ask(api, "/metrics")
			return !strings.Contains(body, "\n"+name+" 0\n") && strings.Contains(body, "\n"+name+" ")
		}
		ready := func() bool { status, _ := s.ask(api, "/readyz"); return status == http.StatusOK }
		s.until("ready", ready)

		s.until("SQLite reports damage after a failed read", func() bool {
			failed := c.FailOneRead("shotline.db", 0)
			s.ask(api, "/v1/batches/"+batch+"/results")
			failed()
			return metric("shotline_store_damage_reports_total")
		})
		s.until("a webhook is accepted after the failed read", func() bool { return s.post("1") == http.StatusOK })
		s.until("ready after the failed read", ready)

		c.FailSyncs("shotline.db", true)
		padding := strings.Repeat("x", 200<<10)
		posted := 0
		s.until("webhooks are refused", func() bool {
			posted++
			return s.postBody(fmt.Appendf(nil, `{"event":"screenshot.completed","screenshot_id":"s%d","status":"done","padding":%q}`, posted, padding)) ==
				http.StatusServiceUnavailable
		})
		if _, body := s.ask(api, "/readyz"); !strings.Contains(body, "could not move the write-ahead log into the database") {
			t.Errorf("readyz returned %s", body)
		}
		if !metric("shotline_store_checkpoint_failures_total") {
			t.Error("the failed sync is not counted")
		}
		c.FailSyncs("shotline.db", false)
		s.until("a webhook is accepted after the failed sync", func() bool { return s.post("2") == http.StatusOK })
		s.until("ready after the failed sync", ready)
		for _, part := range []string{"writes and webhooks are refused until it can be moved", "writes and webhooks are refused until the database has been checked"} {
			if strings.Count(s.log.String(), part) != 1 {
				t.Errorf("the log does not contain once: %s:\n%s", part, s.log)
			}
		}
		if strings.Contains(s.log.String(), "shotline backup") {
			t.Errorf("the log advises to restore a backup:\n%s", s.log)
		}
	})
}
