package orchestrator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/storetest"
)

// hookedStore is a store that calls afterLease after each Lease.
type hookedStore struct {
	Store
	afterLease func()
}

func (s hookedStore) Lease(ctx context.Context, batch, owner string, n int, at, expiry time.Time) ([]jobs.Lease, error) {
	leases, err := s.Store.Lease(ctx, batch, owner, n, at, expiry)
	s.afterLease()
	return leases, err
}

// While the disk is full, no create is sent, neither for jobs that were leased
// before nor for others. When there is space again, each is sent once.
func TestNoCreateIsSentWhileTheDiskIsFull(t *testing.T) {
	for name, leased := range map[string]bool{"before the lease": false, "after the lease": true} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
				r := newRigAt(t, d.Path("rig.db"))
				var log bytes.Buffer
				r.log = slog.New(slog.NewTextHandler(&log, nil))
				r.load(40)
				store := r.store
				if leased {
					r.store = hookedStore{store, d.Fill}
				} else {
					d.Fill()
				}
				for range 10 {
					if err := r.SubmitBatch(r.ctx(), rigBatch); !errors.Is(err, jobs.ErrUnavailable) {
						t.Errorf("submit: %v", err)
					}
					r.store = store
					_ = r.SweepOnce(r.ctx())
				}
				if n := r.vendor.sent(); n != 0 {
					t.Fatalf("got %d creates although no intent can be stored", n)
				}
				if lines := strings.Count(log.String(), "\n"); lines > 2 {
					t.Errorf("%d lines in the log:\n%s", lines, &log)
				}
				d.Free()
				r.clock.advance(longestLease + time.Second)
				r.sweep()
				r.submitAll()
				r.expect(map[jobs.State]int64{jobs.Pending: 40})
				if n := r.vendor.sent(); n != 40 {
					t.Errorf("got %d creates, want 40", n)
				}
			})
		})
	}
}

// The create is paid, but the disk is full when its answer arrives.
func TestUnstoredAnswerBecomesADoubt(t *testing.T) {
	for name, answer := range map[string]func(client.Screenshot) error{
		"success":       func(client.Screenshot) error { return nil },
		"no answer":     doubtWithEffect,
		"a rate limit":  rateLimited(time.Second),
		"a refusal":     refused(422, "URL"),
		"a refused key": refused(401, "INVALID_API_KEY"),
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			storetest.WithDisk(t, 8<<20, func(t *testing.T, d *storetest.Disk) {
				r := newRigAt(t, d.Path("rig.db"), one)
				r.load(1)
				r.vendor.script(answer)
				r.vendor.onCreate = func(client.Screenshot) { d.Fill() }
				_ = r.SubmitBatch(r.ctx(), rigBatch)
				r.vendor.onCreate = nil
				r.clock.advance(longestLease + time.Second)
				for range 3 { // the lease has ended, but that cannot be stored either
					_ = r.SweepOnce(r.ctx())
					_ = r.SubmitBatch(r.ctx(), rigBatch)
					r.clock.advance(doubtEvery)
				}
				if n := r.vendor.sent(); n != 1 {
					t.Fatalf("got %d creates, want 1", n)
				}
				paid := len(r.vendor.shots)

				d.Free()
				r.sweep() // the open intent is in doubt, and looked up
				if paid == 1 {
					r.expect(map[jobs.State]int64{jobs.Pending: 1})
				}
				r.clock.advance(r.cfg.Settle + doubtEvery)
				r.sweep()
				r.submitAll()
				r.expect(map[jobs.State]int64{jobs.Pending: 1})
				if n := len(r.vendor.shots); n != 1 {
					t.Errorf("got %d paid screenshots, want 1", n)
				}
			})
		})
	}
}

// fillingRows is an input that fills the disk after some rows.
type fillingRows struct {
	rows int
	fill func()
}

func (f *fillingRows) next() (jobs.Request, error) {
	if f.rows++; f.rows == 4000 {
		f.fill()
	}
	return jobs.Request{Line: f.rows, URL: fmt.Sprintf("https://a.test/%d", f.rows)}, nil
}

// The import is removed as soon as the disk has space, before it becomes stale.
func TestImportThatFillsTheDiskIsRemoved(t *testing.T) {
	storetest.WithDisk(t, 16<<20, func(t *testing.T, d *storetest.Disk) {
		r := newRigAt(t, d.Path("rig.db"))
		rows := &fillingRows{fill: d.Fill}
		_, err := r.ImportBatch(r.ctx(), jobs.BatchSpec{ID: rigBatch}, rows.next)
		var unremoved *UnremovedError
		if !errors.Is(err, jobs.ErrUnavailable) || !errors.As(err, &unremoved) || unremoved.Batch != rigBatch {
			t.Fatalf("import returned %v", err)
		}
		if b := r.batch(); b.State != jobs.BatchImporting || b.Counts.Rows == 0 {
			t.Fatalf("the batch is %s with %d rows", b.State, b.Counts.Rows)
		}
		_ = r.SweepOnce(r.ctx())
		r.batch()
		d.Free()
		r.clock.advance(r.cfg.SweepEvery)
		r.sweep()
		if _, err := r.store.Batch(r.ctx(), rigBatch); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("a part of the batch remains: %v", err)
		}
	})
}
