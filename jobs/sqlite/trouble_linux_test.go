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

// appendMany appends n deliveries at once and returns the places of those that
// were kept, and how many were not. Those must be jobs.ErrUnavailable.
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

// untilKept appends until the store takes one in again.
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

// troubles are ways in which a disk stops taking writes, and takes them again.
var troubles = map[string]struct{ begin, end func(d *storetest.Disk) }{
	"full":      {func(d *storetest.Disk) { d.Fill() }, func(d *storetest.Disk) { d.Free() }},
	"I/O error": {func(d *storetest.Disk) { d.Cap(1) }, func(d *storetest.Disk) { d.Cap(0) }},
}

// TestDiskTrouble: while it lasts nothing is said to be kept and no intent
// opens; when it is over everything goes on, with what was kept before.
func TestDiskTrouble(t *testing.T) {
	for name, trouble := range troubles {
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
						t.Fatalf("%d refused before", refused)
					}
					trouble.begin(d)
					for range 20 {
						if seqs, _ := appendMany(t, s, 5); len(seqs) > 0 {
							t.Fatalf("kept %v while nothing can be written", seqs)
						}
					}
					if _, err := s.OpenIntent(t.Context(), leases[0], noon, noon.Add(time.Minute)); !errors.Is(err, jobs.ErrUnavailable) {
						t.Fatalf("an intent opened: %v", err)
					}
					if _, err := s.Job(t.Context(), leases[0].Job.ID); err != nil {
						t.Errorf("reading: %v", err)
					}
					trouble.end(d)
					kept = append(kept, untilKept(t, s))
				}
				for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
					var got string
					must(t, s.write(t.Context(), func(tx *tx) error { return tx.get([]any{&got}, "PRAGMA "+pragma) }))
					if got != want {
						t.Errorf("%s is %s afterwards, want %s", pragma, got, want)
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
				there := map[int64]bool{}
				for _, d := range page {
					there[d.Seq] = true
				}
				for _, seq := range kept {
					if !there[seq] {
						t.Errorf("delivery %d was kept and is not there", seq)
					}
				}
			})
		})
	}
}

// TestFullDiskWhileTheLogIsMoved fills the disk when the log cannot be moved
// into the database any more, nor the shared memory grow.
func TestFullDiskWhileTheLogIsMoved(t *testing.T) {
	storetest.WithDisk(t, 64<<20, func(t *testing.T, d *storetest.Disk) {
		path := d.Path("a.db")
		s := openAt(t, path)
		big := delivery("1", jobs.OutcomeDone)
		big.Body = make([]byte, 200_000)
		kept := map[int64]bool{}
		for d.Fill(); ; { // one step of space at a time, until some log has been moved
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
			t.Errorf("lost %v", kept)
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
			t.Errorf("afterwards: %+v, %v", b.Counts, err)
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
			t.Errorf("with a full disk: %v", err)
		}
		d.Free()
		if b, err := openAt(t, path).Batch(t.Context(), "b1"); err != nil || b.Counts.Rows != 1 {
			t.Errorf("afterwards: %+v, %v", b.Counts, err)
		}
	})
}

// TestBackupOntoAFullDisk fails, leaves nothing and harms nobody.
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
				t.Errorf("left %s", entry.Name())
			}
		}
		untilKept(t, s)
	})
}
