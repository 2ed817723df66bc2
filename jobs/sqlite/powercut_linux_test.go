package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shotline/jobs"
	"shotline/jobs/storetest"
)

// powerSeeds is the number of seeds of each test that cuts the power at random.
var powerSeeds = flag.Uint64("powerseeds", 5, "number of random sequences with power cuts")

// checkpointStatus reports the state of the log and moves nothing.
const checkpointStatus = "PRAGMA main.wal_checkpoint(NOOP)"

// moveEarly makes the writer move the log after only a hundred frames.
func moveEarly(s *settings) { s.moveFrom = 100 }

// powerRig is a store on a disk that loses unsynced data in a power cut.
type powerRig struct {
	t     *testing.T
	cache *storetest.PageCache
	name  string // of the database
	store *Store
	other *Store // another store of the same database; can be nil
	held  []*sql.Conn

	next, cuts int
	kept       map[string]bool
}

func newPowerRig(t *testing.T, c *storetest.PageCache, name string) *powerRig {
	r := &powerRig{t: t, cache: c, name: name, kept: map[string]bool{}}
	r.store = openAt(t, c.Path(name), moveEarly)
	return r
}

// append appends a delivery of about the given number of pages and reports
// whether it was kept.
func (r *powerRig) append(s *Store, pages int) bool {
	r.t.Helper()
	d := delivery(fmt.Sprint(r.next), jobs.OutcomeDone)
	d.Body = make([]byte, 4096*pages)
	r.next++
	_, err := s.AppendDelivery(r.t.Context(), d)
	if err != nil && (!errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt)) {
		r.t.Fatalf("append: %v", err)
	}
	if err == nil {
		r.kept[d.ScreenshotID] = true
	}
	return err == nil
}

// hold begins a read transaction. While it lasts, frames that are added later
// cannot be moved out of the log.
func (r *powerRig) hold() {
	r.t.Helper()
	if len(r.held) == defaultReaders-1 {
		return
	}
	conn, err := r.store.readDB.Conn(r.t.Context())
	must(r.t, err)
	for _, query := range []string{"BEGIN", "SELECT count(*) FROM sqlite_schema"} {
		_, err := conn.ExecContext(r.t.Context(), query)
		must(r.t, err)
	}
	r.held = append(r.held, conn)
}

func (r *powerRig) release() {
	r.t.Helper()
	for _, conn := range r.held {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		must(r.t, errors.Join(err, conn.Close()))
	}
	r.held = nil
}

// failSyncs makes syncs of the database or of its log fail or succeed. It first
// waits until the stores are idle, because on Linux a failed sync would also be
// reported to other processes.
func (r *powerRig) failSyncs(db, log bool) {
	for _, s := range []*Store{r.store, r.other} {
		if s != nil {
			_ = s.write(r.t.Context(), func(*tx) error { return nil }) // runs after a move of the log
		}
	}
	r.cache.FailSyncs(r.name, db)
	r.cache.FailSyncs(r.name+walSuffix, log)
}

// check cuts the power and verifies that all kept deliveries are on the disk.
func (r *powerRig) check() {
	r.t.Helper()
	r.cuts++
	path := filepath.Join(r.t.TempDir(), fmt.Sprintf("after-%d.db", r.cuts))
	r.cache.PowerCut(r.name, path)
	r.verify(raw(r.t, path), fmt.Sprintf("after power cut %d", r.cuts))
}

func (r *powerRig) verify(db *sql.DB, when string) {
	r.t.Helper()
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		r.t.Fatalf("%s: %s %v", when, verdict, err)
	}
	found := map[string]bool{}
	rows, err := db.Query(`SELECT screenshot_id FROM inbox`)
	must(r.t, eachRow(rows, err, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		found[id] = true
		return err
	}))
	for id := range r.kept {
		if !found[id] {
			r.t.Fatalf("%s: delivery %s was kept but is missing", when, id)
		}
	}
	must(r.t, db.Close())
}

// TestPowerCutAfterAFailedSync moves a part of the log into the database without
// a sync, because a reader blocks the rest. Then the sync of the rest fails.
func TestPowerCutAfterAFailedSync(t *testing.T) {
	t.Parallel()
	seeds := *powerSeeds
	if testing.Short() {
		seeds = 1
	}
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		for seed := range seeds {
			random := rand.New(rand.NewPCG(seed, 1))
			r := newPowerRig(t, c, fmt.Sprintf("%d.db", seed))
			for range 2 {
				for range 10 + random.IntN(10) {
					r.append(r.store, 1+random.IntN(5))
				}
				r.hold()
				for range 15 + random.IntN(10) {
					r.append(r.store, 3+random.IntN(4))
				}
				r.check()
				r.release()
				r.failSyncs(true, false)
				failures := r.store.Stats().CheckpointFailures
				for r.store.Stats().CheckpointFailures == failures {
					r.append(r.store, 12)
				}
				if r.append(r.store, 1) {
					t.Error("a delivery was kept although the database cannot be synced")
				}
				r.check()
				r.failSyncs(false, false)
				for kept := 0; kept < 20; {
					if r.append(r.store, 1+random.IntN(8)) {
						kept++
					}
				}
				r.check()
			}
		}
	})
}

// TestPowerCuts runs random steps: appends by two stores, readers that block the
// log, failing syncs, closing, opening and power cuts.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("cuts the power tens of times")
	}
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		for seed := range *powerSeeds {
			random := rand.New(rand.NewPCG(seed, 2))
			r := newPowerRig(t, c, fmt.Sprintf("%d.db", seed))
			r.other = openAt(t, c.Path(r.name), moveEarly)
			for range 150 {
				switch n := random.IntN(30); {
				case n < 15:
					r.append(r.store, 1+random.IntN(20))
				case n < 19:
					r.append(r.other, 1+random.IntN(20))
				case n < 21:
					r.hold()
				case n < 23:
					r.release()
				case n < 25:
					r.failSyncs(random.IntN(2) == 0, random.IntN(3) == 0)
				case n < 27:
					r.failSyncs(false, false)
				case n < 28:
					r.release()
					must(t, r.store.Close())
					if random.IntN(2) == 0 {
						must(t, r.other.Close())
						r.failSyncs(false, false)
						r.other = openAt(t, c.Path(r.name), moveEarly)
					}
					r.store = openAt(t, c.Path(r.name), moveEarly)
				default:
					r.check()
				}
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			r.release()
			r.failSyncs(false, false)
			r.check()
			must(t, errors.Join(r.store.Close(), r.other.Close()))
			r.check()
		}
	})
}

// TestFailedSyncIsReported checks that the log, the counters and the errors
// report a failed sync, and that its end is logged as well.
func TestFailedSyncIsReported(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		var log bytes.Buffer
		r := newPowerRig(t, c, "a.db")
		must(t, r.store.Close())
		r.store = openAt(t, c.Path("a.db"), moveEarly, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		r.failSyncs(true, false)
		for r.append(r.store, 20) {
		}
		_, err := r.store.AppendDelivery(t.Context(), delivery("x", jobs.OutcomeDone))
		if err == nil || !strings.Contains(err.Error(), "could not move the write-ahead log into the database") {
			t.Errorf("append: %v", err)
		}
		if stats := r.store.Stats(); stats.CheckpointFailures == 0 {
			t.Errorf("stats: %+v", stats)
		}
		r.failSyncs(false, false)
		untilKept(t, r.store)
		moves := r.store.Stats().Checkpoints
		for r.store.Stats().Checkpoints == moves {
			r.append(r.store, 20)
		}
		must(t, r.store.Close())
		for _, part := range []string{"level=ERROR msg=\"could not move", "level=INFO msg=\"moved"} {
			if strings.Count(log.String(), part) != 1 {
				t.Errorf("want one log line with %s:\n%s", part, &log)
			}
		}
	})
}

// TestCloseAfterFailedSync checks that the write-ahead log is kept, and is moved
// when the database is opened again.
func TestCloseAfterFailedSync(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		r := newPowerRig(t, c, "a.db")
		r.append(r.store, 20)
		r.hold()
		for range 8 {
			r.append(r.store, 20) // a part is moved but not synced
		}
		r.failSyncs(true, false) // before all of it can be moved
		r.release()
		must(t, r.store.Close())
		if sizeOf(r.store.path+walSuffix) == 0 {
			t.Error("the write-ahead log was removed")
		}
		r.check()
		if _, err := Open(t.Context(), r.store.path); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "write-ahead log") {
			t.Errorf("open while syncs fail: %v", err)
		}
		r.check()
		r.failSyncs(false, false)
		r.store = openAt(t, r.store.path, moveEarly)
		r.check()
		r.append(r.store, 1)
		must(t, r.store.Close())
		r.check()
	})
}

// TestCrashAfterAFailedCommit ends a process after the sync of a commit has
// failed. The frames of the commit remain in the log that the process leaves, but
// are not on the disk.
func TestCrashAfterAFailedCommit(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		r := newPowerRig(t, c, "a.db")
		must(t, r.store.Close())
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), appendsVariable+"=2", fileVariable+"="+r.store.path,
			faultVariable+"="+r.store.path+walSuffix+".failsync")
		out, err := child.CombinedOutput()
		if exit := (&exec.ExitError{}); !errors.As(err, &exit) || !strings.Contains(string(out), "disk I/O error") {
			t.Fatalf("the append did not fail: %v %s", err, out)
		}
		r.failSyncs(false, false)
		r.store = openAt(t, r.store.path)
		r.append(r.store, 1)
		r.check()
	})
}

// TestForgetMoved checks that the whole log is marked as not yet moved, also for
// other connections, and that frames of a failed commit do not come back.
func TestForgetMoved(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		r := newPowerRig(t, c, "a.db")
		other := openAt(t, r.store.path)
		r.append(r.store, 20)
		r.hold()
		for range 8 {
			r.append(r.store, 20)
		}
		r.failSyncs(false, true)
		if r.append(r.store, 30) {
			t.Fatal("a delivery was kept without a sync")
		}
		r.failSyncs(false, false)
		r.store.writer.stop() // the test uses its connection from here on
		conn := r.store.writer.connection
		must(t, conn.renew())
		before, err := conn.checkpoint(checkpointStatus)
		must(t, err)
		if before.moved == 0 || before.moved == before.frames {
			t.Fatalf("before: %+v", before)
		}
		must(t, conn.invalidateIndex())
		for range 2 { // the second time there is nothing to forget
			page, _, err := other.Deliveries(t.Context(), 0, 100)
			must(t, err)
			if len(page) != len(r.kept) {
				t.Errorf("found %d deliveries, want %d", len(page), len(r.kept))
			}
			after, err := conn.checkpoint(checkpointStatus)
			must(t, err)
			if after.frames != before.frames || after.moved != 0 {
				t.Errorf("before: %+v, after: %+v", before, after)
			}
			must(t, conn.invalidateIndex())
		}
		r.release()
	})
}

// TestLongLogIsShortened checks that the log becomes shorter again after a reader
// has made it grow.
func TestLongLogIsShortened(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"), moveEarly)
	view, err := s.readDB.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	must(t, err)
	var n int
	must(t, view.QueryRow(`SELECT count(*) FROM inbox`).Scan(&n))
	d := delivery("1", jobs.OutcomeDone)
	d.Body = make([]byte, 4096*20)
	grow := func(until func(jobs.StoreStats) bool) {
		t.Helper()
		for !until(s.Stats()) {
			_, err := s.AppendDelivery(t.Context(), d)
			must(t, err)
		}
	}
	const frame = frameHeaderSize + 4096
	grow(func(stats jobs.StoreStats) bool { return stats.WALBytes > 2*shortenFactor*100*frame })
	must(t, view.Rollback())
	grow(func(stats jobs.StoreStats) bool { return stats.WALBytes < 100*frame })
}
