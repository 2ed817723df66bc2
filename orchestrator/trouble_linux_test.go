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

// interrupted is a store where something happens right after a lease.
type interrupted struct {
	Store
	leased func()
}

func (s interrupted) Lease(ctx context.Context, batch, owner string, n int, at, until time.Time) ([]jobs.Lease, error) {
	leases, err := s.Store.Lease(ctx, batch, owner, n, at, until)
	s.leased()
	return leases, err
}

// TestNoCreateIsSentWhileTheDiskIsFull: neither of jobs that were leased before
// nor of others. With space again everything is sent, once.
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
					r.store = interrupted{store, d.Fill}
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
					t.Fatalf("%d creates while no intent can be kept", n)
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
					t.Errorf("%d creates for 40 jobs", n)
				}
			})
		})
	}
}

// TestAnAnswerThatCannotBeKeptBecomesADoubt: the create was paid, and the disk
// was full when its answer came.
func TestAnAnswerThatCannotBeKeptBecomesADoubt(t *testing.T) {
	for name, answer := range map[string]func(client.Screenshot) error{
		"an id":         func(client.Screenshot) error { return nil },
		"none":          doubtWithEffect,
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
				for range 3 { // the lease is over, and nothing of that can be kept either
					_ = r.SweepOnce(r.ctx())
					_ = r.SubmitBatch(r.ctx(), rigBatch)
					r.clock.advance(doubtEvery)
				}
				if n := r.vendor.sent(); n != 1 {
					t.Fatalf("%d creates, want the one", n)
				}
				paid := len(r.vendor.shots)

				d.Free()
				r.sweep() // the open intent is a doubt, and looked up
				if paid == 1 {
					r.expect(map[jobs.State]int64{jobs.Pending: 1})
				}
				r.clock.advance(r.cfg.Settle + doubtEvery)
				r.sweep()
				r.submitAll()
				r.expect(map[jobs.State]int64{jobs.Pending: 1})
				if n := len(r.vendor.shots); n != 1 {
					t.Errorf("%d screenshots were paid for", n)
				}
			})
		})
	}
}

// fillingRows fill the disk after some rows.
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

// TestAnImportThatFillsTheDiskIsRemovedOnceThereIsRoom, and not only when it has
// got stale.
func TestAnImportThatFillsTheDiskIsRemovedOnceThereIsRoom(t *testing.T) {
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
			t.Errorf("half a batch stayed: %v", err)
		}
	})
}
