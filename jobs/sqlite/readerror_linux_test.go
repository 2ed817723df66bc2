package sqlite

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/storetest"
)

// readRig creates a database on a disk whose reads can fail, and returns its
// path.
func readRig(t *testing.T, c *storetest.PageCache, name string, large bool) (path string) {
	path = c.Path(name)
	s := openAt(t, path)
	fill(t, s, "b1", 300)
	if large {
		for sizeOf(path) <= checkLimit {
			big := delivery("big", jobs.OutcomeNone)
			big.Body = make([]byte, 2<<20)
			_, err := s.AppendDelivery(t.Context(), big)
			must(t, err)
		}
	}
	must(t, s.Close())
	return path
}

// TestOneFailedReadIsNoDamage makes each read fail once, by readers and by the
// writer, in files that a check reads completely and in larger ones. The store
// must be unavailable only for a moment and then continue.
func TestOneFailedReadIsNoDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("lets each read fail in turn")
	}
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		for name, large := range map[string]bool{"small": false, "large": true} {
			t.Run(name, func(t *testing.T) {
				path := readRig(t, c, name+".db", large)
				reports := int64(0)
				for after := 0; ; after++ {
					s := openAt(t, path) // with empty caches
					failed := c.FailOneRead(name+".db", after)
					for name, do := range map[string]func() error{
						"tally": func() error { _, err := s.Tally(t.Context(), "b1"); return err },
						"lease": func() error {
							_, err := s.Lease(t.Context(), "b1", "w", 1, noon, noon.Add(time.Minute))
							return err
						},
						"append": func() error {
							_, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
							return err
						},
					} {
						if err := untilChecked(t, do); err != nil {
							t.Errorf("%s with failing read %d: %v", name, after, err)
						}
					}
					reports += s.Stats().DamageReports
					must(t, s.Close())
					if !failed() {
						break
					}
				}
				if reports == 0 {
					t.Error("SQLite reported damage after none of the failed reads")
				}
			})
		}
	})
}

// TestOneFailedReadAtTheStart checks that a store opens although one read fails.
func TestOneFailedReadAtTheStart(t *testing.T) {
	if testing.Short() {
		t.Skip("lets each read fail in turn")
	}
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		path := readRig(t, c, "a.db", false)
		for after := 0; ; after++ {
			failed := c.FailOneRead("a.db", after)
			s, err := Open(t.Context(), path, WithCheck())
			if err != nil {
				t.Fatalf("open with failing read %d: %v", after, err)
			}
			last := !failed()
			must(t, s.Close())
			if last {
				return
			}
		}
	})
}

// TestUnreadableFile checks that errors do not report damage while reads fail,
// and that the store continues when they succeed again.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		path := readRig(t, c, "a.db", false)
		var log bytes.Buffer
		s := openAt(t, path, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, err := s.Batch(t.Context(), "b1") // makes a connection read the schema
		must(t, err)
		c.FailReads("a.db", true)
		if _, err := s.Tally(t.Context(), "b1"); !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
			t.Fatalf("tally: %v", err)
		}
		if s.Stats().DamageReports != 1 {
			t.Fatal("SQLite did not report damage")
		}
		for range 20 {
			if _, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone)); !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
				t.Fatalf("append: %v", err)
			}
		}
		if _, err := Open(t.Context(), path); !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
			t.Errorf("open: %v", err)
		}
		c.FailReads("a.db", false)
		untilKept(t, s)
		must(t, s.Close())
		for _, part := range []string{"SQLite reported damage", "the database is in order"} {
			if strings.Count(log.String(), part) != 1 {
				t.Errorf("want one log line with %q:\n%s", part, &log)
			}
		}
	})
}

// TestDamageNeedsAReadableFile checks that damage is not reported if a part of
// the file cannot be read.
func TestDamageNeedsAReadableFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/a.db"
	s := openAt(t, path)
	fill(t, s, "b1", 3000)
	must(t, s.Close())
	overwrite(t, path, rootPage(t, path, "jobs"), strings.Repeat("\xff", 4096))
	s = openAt(t, path)
	unreadable, err := os.Open(path)
	must(t, errors.Join(err, unreadable.Close()))
	s.file.held[path] = unreadable // no other code holds the path yet
	report := damageReport{}
	if _, err := s.examineOnce(t.Context(), report); !errors.Is(err, jobs.ErrUnavailable) || reportsDamage(err) {
		t.Errorf("unreadable file: %v", err)
	}
	delete(s.file.held, path)
	if _, err := s.examineOnce(t.Context(), report); !errors.Is(err, jobs.ErrCorrupt) {
		t.Errorf("readable file: %v", err)
	}
}

// TestDamageOfALargeFile damages a page that only the writer reads. The check
// after the second report finds the damage.
func TestDamageOfALargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a large file")
	}
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		path := readRig(t, c, "a.db", true)
		overwrite(t, path, rootPage(t, path, "jobs_queued"), strings.Repeat("\xff", 4096))
		s := openAt(t, path)
		lease := func() error {
			_, err := s.Lease(t.Context(), "b1", "w", 1, noon, noon.Add(time.Minute))
			return err
		}
		if err := untilChecked(t, lease); !errors.Is(err, jobs.ErrCorrupt) || !strings.Contains(err.Error(), "shotline backup") {
			t.Errorf("got %v", err)
		}
		if reports := s.Stats().DamageReports; reports != 2 {
			t.Errorf("%d reports were checked, want 2", reports)
		}
	})
}
