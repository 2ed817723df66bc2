package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
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

// checkpointLook tells of the log and moves nothing.
const checkpointLook = "PRAGMA main.wal_checkpoint(NOOP)"

// soonMoved has the log moved after a hundred frames already.
func soonMoved(s *settings) { s.moveFrom = 100 }

// powerRig is a store on a disk that loses what was not synced.
type powerRig struct {
	t     *testing.T
	cache *storetest.PageCache
	name  string // of the database
	store *Store
	other *Store // of the same database; nil without one
	held  []*sql.Conn

	next, cuts int
	kept       map[string]bool
}

func newPowerRig(t *testing.T, c *storetest.PageCache, name string) *powerRig {
	r := &powerRig{t: t, cache: c, name: name, kept: map[string]bool{}}
	r.store = openAt(t, c.Path(name), soonMoved)
	return r
}

// append appends a delivery of about so many pages, and reports whether it was
// kept.
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

// hold begins a reading transaction, which keeps the log from being moved
// any further than it is now.
func (r *powerRig) hold() {
	r.t.Helper()
	if len(r.held) == DefaultReaders-1 {
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

// failSyncs makes syncs of the database or of its log fail, or succeed, when the
// stores rest: in Linux another process would see the failure, too.
func (r *powerRig) failSyncs(db, log bool) {
	for _, s := range []*Store{r.store, r.other} {
		if s != nil {
			_ = s.write(r.t.Context(), func(*tx) error { return nil }) // comes behind a move of the log
		}
	}
	r.cache.FailSyncs(r.name, db)
	r.cache.FailSyncs(r.name+walSuffix, log)
}

// check cuts the power, and sees that all that was kept is there.
func (r *powerRig) check() {
	r.t.Helper()
	r.cuts++
	path := filepath.Join(r.t.TempDir(), fmt.Sprintf("after-%d.db", r.cuts))
	r.cache.PowerCut(r.name, path)
	r.find(raw(r.t, path), fmt.Sprintf("after power cut %d", r.cuts))
}

func (r *powerRig) find(db *sql.DB, when string) {
	r.t.Helper()
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		r.t.Fatalf("%s: %s %v", when, verdict, err)
	}
	there := map[string]bool{}
	rows, err := db.Query(`SELECT screenshot_id FROM inbox`)
	must(r.t, eachRow(rows, err, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		there[id] = true
		return err
	}))
	for id := range r.kept {
		if !there[id] {
			r.t.Fatalf("%s: delivery %s was kept and is not there", when, id)
		}
	}
	must(r.t, db.Close())
}

// TestPowerCutAfterAFailedSync: a part of the log is in the database without a
// sync, since a reader holds up the rest; then the sync of the rest fails.
func TestPowerCutAfterAFailedSync(t *testing.T) {
	t.Parallel()
	seeds := uint64(10)
	if testing.Short() {
		seeds = 1
	}
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		for seed := range seeds {
			drawn := rand.New(rand.NewPCG(seed, 1))
			r := newPowerRig(t, c, fmt.Sprintf("%d.db", seed))
			for range 2 {
				for range 10 + drawn.IntN(10) {
					r.append(r.store, 1+drawn.IntN(5))
				}
				r.hold()
				for range 15 + drawn.IntN(10) {
					r.append(r.store, 3+drawn.IntN(4))
				}
				r.check()
				r.release()
				r.failSyncs(true, false)
				failures := r.store.Stats().CheckpointFailures
				for r.store.Stats().CheckpointFailures == failures {
					r.append(r.store, 12)
				}
				if r.append(r.store, 1) {
					t.Error("a delivery was kept while the database cannot be synced")
				}
				r.check()
				r.failSyncs(false, false)
				for kept := 0; kept < 20; {
					if r.append(r.store, 1+drawn.IntN(8)) {
						kept++
					}
				}
				r.check()
			}
		}
	})
}

// TestPowerCuts draws what happens: appends by two stores, readers that hold up
// the log, syncs that fail, closing and opening, and power cuts.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("cuts the power tens of times")
	}
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		for seed := range uint64(20) {
			drawn := rand.New(rand.NewPCG(seed, 2))
			r := newPowerRig(t, c, fmt.Sprintf("%d.db", seed))
			r.other = openAt(t, c.Path(r.name), soonMoved)
			for range 150 {
				switch n := drawn.IntN(30); {
				case n < 15:
					r.append(r.store, 1+drawn.IntN(20))
				case n < 19:
					r.append(r.other, 1+drawn.IntN(20))
				case n < 21:
					r.hold()
				case n < 23:
					r.release()
				case n < 25:
					r.failSyncs(drawn.IntN(2) == 0, drawn.IntN(3) == 0)
				case n < 27:
					r.failSyncs(false, false)
				case n < 28:
					r.release()
					must(t, r.store.Close())
					if drawn.IntN(2) == 0 {
						must(t, r.other.Close())
						r.failSyncs(false, false)
						r.other = openAt(t, c.Path(r.name), soonMoved)
					}
					r.store = openAt(t, c.Path(r.name), soonMoved)
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

// TestFailedSyncIsToldOf: by the log, the counters and the errors; and that it is
// over as well.
func TestFailedSyncIsToldOf(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		var log bytes.Buffer
		r := newPowerRig(t, c, "a.db")
		must(t, r.store.Close())
		r.store = openAt(t, c.Path("a.db"), soonMoved, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
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
				t.Errorf("the log does not say %s once:\n%s", part, &log)
			}
		}
	})
}

// TestCloseWithoutASync: the log stays, and is moved when the database is opened.
func TestCloseWithoutASync(t *testing.T) {
	t.Parallel()
	storetest.WithPageCache(t, func(t *testing.T, c *storetest.PageCache) {
		r := newPowerRig(t, c, "a.db")
		r.append(r.store, 20)
		r.hold()
		for range 8 {
			r.append(r.store, 20) // a part of which is moved, and not synced
		}
		r.failSyncs(true, false) // before all of it can be moved
		r.release()
		must(t, r.store.Close())
		if sizeOf(r.store.path+walSuffix) == 0 {
			t.Error("the log is gone")
		}
		r.check()
		if _, err := Open(t.Context(), r.store.path); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "write-ahead log") {
			t.Errorf("open while it cannot be synced: %v", err)
		}
		r.check()
		r.failSyncs(false, false)
		r.store = openAt(t, r.store.path, soonMoved)
		r.check()
		r.append(r.store, 1)
		must(t, r.store.Close())
		r.check()
	})
}

// TestCrashAfterAFailedCommit: the frames of a commit whose sync failed are in the
// log as the process that dies then leaves it, and not on the disk.
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

// TestForgetMoved: all of the log is to be moved again, in the eyes of others as
// well, and frames of a commit that failed do not come back.
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
		r.store.writer.stop() // its connection is the test's now
		conn := r.store.writer.connection
		must(t, conn.renew())
		before, err := conn.checkpoint(checkpointLook)
		must(t, err)
		if before.moved == 0 || before.moved == before.frames {
			t.Fatalf("before: %+v", before)
		}
		must(t, conn.forgetMoved())
		for range 2 { // the second time there is nothing to forget
			page, _, err := other.Deliveries(t.Context(), 0, 100)
			must(t, err)
			if len(page) != len(r.kept) {
				t.Errorf("%d deliveries, %d were kept", len(page), len(r.kept))
			}
			after, err := conn.checkpoint(checkpointLook)
			must(t, err)
			if after.frames != before.frames || after.moved != 0 {
				t.Errorf("before: %+v, after: %+v", before, after)
			}
			must(t, conn.forgetMoved())
		}
		r.release()
	})
}

// TestLongLogIsGivenBack: what grew while a reader was in the way does not stay.
func TestLongLogIsGivenBack(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"), soonMoved)
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
