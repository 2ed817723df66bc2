package sqlite

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/storetest"
)

// appendMany appends n deliveries at the same time. It returns the places of
// those that were kept and the number of those that were not. The latter must
// fail with jobs.ErrUnavailable.
func appendMany(t *testing.T, s *Store, n int) (kept []int64, refused int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			seq, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				kept = append(kept, seq)
			case errors.Is(err, jobs.ErrUnavailable):
				refused++
			default:
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	return kept, refused
}

// untilKept appends deliveries until the store keeps one.
func untilKept(t *testing.T, s *Store) int64 {
	t.Helper()
	for {
		seq, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
		if err == nil {
			return seq
		}
		if !errors.Is(err, jobs.ErrUnavailable) {
			t.Fatal(err)
		}
		must(t, pause(t.Context(), renewEvery/5))
	}
}

// diskFaults are ways in which a disk stops accepting writes and then accepts them
// again.
var diskFaults = map[string]struct{ begin, end func(d *storetest.Disk) }{
	"full":      {func(d *storetest.Disk) { d.Fill() }, func(d *storetest.Disk) { d.Free() }},
	"I/O error": {func(d *storetest.Disk) { d.Cap(1) }, func(d *storetest.Disk) { d.Cap(0) }},
}

// TestDiskTrouble checks that no delivery is kept and no intent opens while the
// disk cannot be written. Afterwards everything must work again, and earlier
// deliveries must be there.
func TestDiskTrouble(t *testing.T) {
	for name, fault := range diskFaults {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
				path := d.Path("a.db")
				s := openAt(t, path)
				fill(t, s, "b1", 2)
				leases, err := s.Lease(t.Context(), "b1", "w", 2, noon, noon.Add(time.Minute))
				must(t, err)
				var kept []int64
				for range 3 {
					seqs, refused := appendMany(t, s, 20)
					kept = append(kept, seqs...)
					if refused > 0 {
						t.Fatalf("%d appends were refused before the fault", refused)
					}
					fault.begin(d)
					for range 20 {
						if seqs, _ := appendMany(t, s, 5); len(seqs) > 0 {
							t.Fatalf("kept %v during the fault", seqs)
						}
					}
					if _, err := s.OpenIntent(t.Context(), leases[0], noon, noon.Add(time.Minute)); !errors.Is(err, jobs.ErrUnavailable) {
						t.Fatalf("open intent during the fault: %v", err)
					}
					if _, err := s.Job(t.Context(), leases[0].Job.ID); err != nil {
						t.Errorf("read during the fault: %v", err)
					}
					fault.end(d)
					kept = append(kept, untilKept(t, s))
				}
				for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
					var got string
					must(t, s.write(t.Context(), func(tx *tx) error { return tx.get([]any{&got}, "PRAGMA "+pragma) }))
					if got != want {
						t.Errorf("%s is %s after the fault, want %s", pragma, got, want)
					}
				}
				_, err = s.OpenIntent(t.Context(), leases[0], noon, noon.Add(time.Minute))
				must(t, err)
				if renewed := s.Stats().Renewals > 0; renewed != (name == "I/O error") {
					t.Errorf("connection renewed: %v", renewed)
				}
				must(t, s.Close())

				page, _, err := openAt(t, path, WithCheck()).Deliveries(t.Context(), 0, 1000)
				must(t, err)
				found := map[int64]bool{}
				for _, d := range page {
					found[d.Seq] = true
				}
				for _, seq := range kept {
					if !found[seq] {
						t.Errorf("delivery %d was kept but is missing", seq)
					}
				}
			})
		})
	}
}

// TestFullDiskWhileTheLogIsMoved fills the disk so far that the log cannot be
// moved into the database and the shared memory cannot grow.
func TestFullDiskWhileTheLogIsMoved(t *testing.T) {
	storetest.WithDisk(t, 64<<20, func(t *testing.T, d *storetest.Disk) {
		path := d.Path("a.db")
		s := openAt(t, path)
		big := delivery("1", jobs.OutcomeDone)
		big.Body = make([]byte, 200_000)
		kept := map[int64]bool{}
		for d.Fill(); ; { // frees space in small steps until a part of the log has been moved
			seq, err := s.AppendDelivery(t.Context(), big)
			if err == nil {
				kept[seq] = true
				if s.Stats().FileBytes > 20<<20 {
					break
				}
				continue
			}
			if !errors.Is(err, jobs.ErrUnavailable) {
				t.Fatal(err)
			}
			info, err := os.Stat(d.Path("ballast"))
			must(t, err)
			must(t, os.Truncate(d.Path("ballast"), max(0, info.Size()-1<<20)))
		}
		d.Free()
		kept[untilKept(t, s)] = true
		must(t, s.Close())
		s = openAt(t, path, WithCheck())
		for after := int64(0); ; {
			page, _, err := s.Deliveries(t.Context(), after, 50)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, d := range page {
				delete(kept, d.Seq)
				after = d.Seq
			}
		}
		if len(kept) > 0 {
			t.Errorf("deliveries are missing: %v", kept)
		}
	})
}

func TestOpenOnAReadOnlyDisk(t *testing.T) {
	storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
		path := d.Path("a.db")
		s := openAt(t, path)
		fill(t, s, "b1", 1)
		must(t, s.Close())
		d.ReadOnly(true)
		for _, name := range []string{path, d.Path("new.db")} {
			_, err := Open(t.Context(), name)
			if !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), name) ||
				!strings.Contains(err.Error(), "read-only") && !strings.Contains(err.Error(), "readonly") {
				t.Errorf("open %s: %v", name, err)
			}
		}
		d.ReadOnly(false)
		if b, err := openAt(t, path).Batch(t.Context(), "b1"); err != nil || b.Counts.Rows != 1 {
			t.Errorf("after the fault: %+v, %v", b.Counts, err)
		}
	})
}

func TestOpenOnAFullDisk(t *testing.T) {
	storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
		path := d.Path("a.db")
		s := openAt(t, path)
		fill(t, s, "b1", 1)
		must(t, s.Close())
		d.Fill()
		if _, err := Open(t.Context(), path); !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), path) {
			t.Errorf("open on a full disk: %v", err)
		}
		d.Free()
		if b, err := openAt(t, path).Batch(t.Context(), "b1"); err != nil || b.Counts.Rows != 1 {
			t.Errorf("after the fault: %+v, %v", b.Counts, err)
		}
	})
}

// TestBackupOntoAFullDisk checks that a backup fails, leaves no file and does not
// affect the store.
func TestBackupOntoAFullDisk(t *testing.T) {
	storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
		s := openAt(t, d.Path("a.db"))
		big := delivery("1", jobs.OutcomeDone)
		big.Body = make([]byte, 1<<20)
		for range 5 {
			_, err := s.AppendDelivery(t.Context(), big)
			must(t, err)
		}
		_, err := s.Backup(t.Context(), d.Path("copy.db"), false)
		if !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), d.Path("copy.db")) || strings.Count(err.Error(), "disk is full") != 1 {
			t.Errorf("got %v", err)
		}
		entries, err := os.ReadDir(d.Path(""))
		must(t, err)
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), "a.db") {
				t.Errorf("file left: %s", entry.Name())
			}
		}
		untilKept(t, s)
	})
}
