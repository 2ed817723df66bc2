package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var raceTests = []test{
	{"two closers, 2000 deliveries, 1000 jobs", func(b *book) {
		const n = 1000
		deliveries := slices.Concat(b.bulk("b1", n), b.bulkRows("b1", n))
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
		stores := b.openers()
		crowd(b, len(deliveries), func(i int) error {
			_, err := stores[i%2].AppendDelivery(b.ctx(), b.told(shot(deliveries[i]), jobs.OutcomeDone))
			return err
		})
		var total [2]jobs.Applied
		closer := func(i int) func() error {
			return func() error {
				for {
					applied, err := stores[i].ApplyInbox(b.ctx(), b.now, 50)
					if err != nil || applied.Read == 0 {
						return err
					}
					total[i].Read += applied.Read
					total[i].Closed = append(total[i].Closed, applied.Closed...)
					total[i].Finished = append(total[i].Finished, applied.Finished...)
					total[i].Conflicts += applied.Conflicts
				}
			}
		}
		race(b, closer(0), closer(1))
		wantSame(b, "read", total[0].Read+total[1].Read, 2*n)
		wantSame(b, "conflicts", total[0].Conflicts+total[1].Conflicts, 0)
		wantSame(b, "finished", len(total[0].Finished)+len(total[1].Finished), 1)
		b.wantDistinct(n, total[0].Closed, total[1].Closed)
		b.check()
		wantSame(b, "done", b.batch("b1").Counts.Of(jobs.Done), n)
	}},
	{"two submitters lease 1000 jobs", func(b *book) {
		const n = 1000
		b.bulkOpen("b1", n)
		stores := b.openers()
		var leased [2][]jobs.Lease
		submitter := func(i int) func() error {
			return func() error {
				for {
					leases, err := stores[i].Lease(b.ctx(), "b1", fmt.Sprintf("w%d", i), 9, b.now, b.now.Add(leaseTime))
					if err != nil || len(leases) == 0 {
						return err
					}
					leased[i] = append(leased[i], leases...)
				}
			}
		}
		race(b, submitter(0), submitter(1))
		owner := map[jobs.ID]bool{}
		for _, l := range slices.Concat(leased[0], leased[1]) {
			owner[l.Job.ID] = true
		}
		wantSame(b, "leases", len(leased[0])+len(leased[1]), n)
		wantSame(b, "jobs leased", len(owner), n)
		b.check()
	}},
	{"one lease, two intents", func(b *book) {
		const n = 40
		b.bulkOpen("b1", n)
		leases := b.lease("b1", n)
		stores := b.openers()
		var won [2]int
		sender := func(i int) func() error {
			return func() error {
				for _, l := range leases {
					_, err := stores[i].OpenIntent(b.ctx(), l, b.now, b.now.Add(leaseTime))
					if err == nil {
						won[i]++
					} else if !errors.Is(err, jobs.ErrLeaseLost) {
						return err
					}
				}
				return nil
			}
		}
		race(b, sender(0), sender(1))
		wantSame(b, "intents", won[0]+won[1], n)
		wantSame(b, "calls", b.batch("b1").Counts.APICalls, n)
		b.check()
	}},
	{"a clock against webhooks that arrive", func(b *book) {
		const n = 80
		ids := b.bulk("b1", n)
		stores := b.openers()
		var kept [n]atomic.Bool
		var keptBefore [n]bool
		var ended atomic.Int32
		var closed [2][]jobs.Closed
		race(b, func() error {
			defer ended.Add(1)
			for i, id := range ids {
				if _, err := stores[0].AppendDelivery(b.ctx(), b.told(shot(id), jobs.OutcomeDone)); err != nil {
					return err
				}
				kept[i].Store(true)
			}
			return nil
		}, func() error {
			defer ended.Add(1)
			for i, id := range ids {
				keptBefore[i] = kept[i].Load()
				e, err := stores[1].CloseJobs(b.ctx(), []jobs.Closing{timeOut(id)}, b.now)
				if err != nil {
					return err
				}
				closed[1] = append(closed[1], e.Closed...)
			}
			return nil
		}, func() error {
			for {
				last := ended.Load() == 2
				applied, err := stores[0].ApplyInbox(b.ctx(), b.now, 5)
				if err != nil || last && applied.Read == 0 {
					return err
				}
				closed[0] = append(closed[0], applied.Closed...)
			}
		})
		b.check()
		late := 0
		for i, id := range ids {
			j := b.wantState(id, jobs.Done)
			if keptBefore[i] && j.Late {
				b.t.Fatalf("job %s timed out although its webhook was kept before", id)
			}
			if j.Late {
				late++
			}
		}
		wantSame(b, "closures", len(closed[0])+len(closed[1]), n+late)
	}},
	{"two observers, one screenshot is wanted", func(b *book) {
		const n = 40
		b.bulkOpen("b1", n)
		leases := b.bulkSent("b1", n)
		stores := b.openers()
		var effects [2]jobs.Effects
		observer := func(i int) func() error {
			return func() error {
				for _, l := range leases {
					o := seen(l.Job.ID, jobs.OutcomeProcessing)
					o.ScreenshotID, o.Cost = fmt.Sprintf("%s-%d", o.ScreenshotID, i), credits(1)
					e, err := stores[i].Observe(b.ctx(), []jobs.Observation{o}, jobs.ByPoll, b.now, b.now.Add(jobTimeout))
					if err != nil {
						return err
					}
					effects[i].Adopted += e.Adopted
					effects[i].DoubleCharged = append(effects[i].DoubleCharged, e.DoubleCharged...)
				}
				return nil
			}
		}
		race(b, observer(0), observer(1))
		wantSame(b, "adopted", effects[0].Adopted+effects[1].Adopted, n)
		wantSame(b, "double charged", len(effects[0].DoubleCharged)+len(effects[1].DoubleCharged), n)
		for _, l := range leases {
			j := b.wantState(l.Job.ID, jobs.Pending)
			wantSame(b, "double charges on the job", j.DoubleCharged, 1)
			b.wantCredits("job", j.Cost, 2)
		}
		b.check()
	}},
	{"a revision is told by one", func(b *book) {
		counts := b.open("b1", rejected(1, "bad")).Counts
		stores := b.openers()
		var told atomic.Int32
		var runners []func() error
		for i := range 16 {
			runners = append(runners, func() error {
				stored, err := stores[i%2].SaveSummary(b.ctx(), "b1", 1, counts, []byte("one"), b.now)
				if stored {
					told.Add(1)
				}
				return err
			})
		}
		race(b, runners...)
		wantSame(b, "told", told.Load(), 1)
	}},
	{"a tick and owed work go to one", func(b *book) {
		const n = 10
		for i := range n {
			b.bulkOpen(fmt.Sprintf("b%d", i), 1)
		}
		stores := b.openers()
		var ticks, work atomic.Int32
		var runners []func() error
		for i := range 8 {
			runners = append(runners, func() error {
				won, err := stores[i%2].ClaimTick(b.ctx(), "sweep", b.now, b.now.Add(time.Minute))
				if won {
					ticks.Add(1)
				}
				return err
			}, func() error {
				claimed, err := stores[i%2].ClaimWork(b.ctx(), b.now, b.now.Add(time.Minute), workLimit)
				work.Add(int32(len(claimed)))
				return err
			})
		}
		race(b, runners...)
		wantSame(b, "ticks", ticks.Load(), 1)
		wantSame(b, "work", work.Load(), n)
	}},
	{"a doubt is looked up and sent anew by one", func(b *book) {
		const n = 30
		b.bulkOpen("b1", n)
		b.must(b.Doubt(b.ctx(), b.bulkSent("b1", n), b.now), "doubt")
		b.later(time.Minute)
		stores := b.openers()
		var claimed, resent atomic.Int32
		var runners []func() error
		for i := range 8 {
			runners = append(runners, func() error {
				doubts, err := stores[i%2].ClaimDoubts(b.ctx(), b.now, b.now.Add(time.Minute), 7)
				claimed.Add(int32(len(doubts)))
				return err
			})
		}
		race(b, runners...)
		wantSame(b, "claimed", claimed.Load(), n)
		b.later(time.Minute)
		doubts := b.claimDoubts(b.now, n)
		race(b, func() error {
			sent, err := stores[0].Resend(b.ctx(), doubts, b.now, b.now)
			resent.Add(int32(sent.Requeued))
			return err
		}, func() error {
			sent, err := stores[1].Resend(b.ctx(), doubts, b.now, b.now)
			resent.Add(int32(sent.Requeued))
			return err
		})
		wantSame(b, "sent anew", resent.Load(), n)
		b.check()
	}},
	{"one id, one batch; one import, one opening", func(b *book) {
		stores := b.openers()
		var created, opened [2]error
		create := func(i int) func() error {
			return func() error {
				created[i] = stores[i].CreateBatch(b.ctx(), jobs.BatchSpec{ID: "b1"}, b.now)
				return nil
			}
		}
		race(b, create(0), create(1))
		b.wantOneWinner(created, jobs.ErrExists)
		b.must(b.AppendRequests(b.ctx(), "b1", pages(20), b.now), "append")
		open := func(i int) func() error {
			return func() error {
				_, opened[i] = stores[i].OpenBatch(b.ctx(), "b1", b.now)
				return nil
			}
		}
		race(b, open(0), open(1))
		b.wantOneWinner(opened, jobs.ErrState)
		b.check()
	}},
}

// bulkRows names the first n rows of a batch.
func (b *book) bulkRows(batch string, n int) []jobs.ID {
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = row(batch, int64(i+1))
	}
	return ids
}

// wantDistinct asserts that n different jobs closed, each once.
func (b *book) wantDistinct(n int, closed ...[]jobs.Closed) {
	b.t.Helper()
	all := slices.Concat(closed...)
	of := map[jobs.ID]bool{}
	for _, c := range all {
		of[c.Job] = true
	}
	wantSame(b, "closures", len(all), n)
	wantSame(b, "jobs closed", len(of), n)
}

// wantOneWinner asserts that one call went through and the other was told why not.
func (b *book) wantOneWinner(errs [2]error, loser error) {
	b.t.Helper()
	first, second := errs[0], errs[1]
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, loser) {
		b.t.Fatalf("errors %v and %v, want one nil and one that is %q", errs[0], errs[1], loser)
	}
}
