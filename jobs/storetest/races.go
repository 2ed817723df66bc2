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
	{"two closers, 2000 deliveries, 1000 jobs", func(f *fixture) {
		const n = 1000
		deliveries := slices.Concat(f.bulk("b1", n), f.bulkRows("b1", n))
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
		stores := f.twoStores()
		concurrently(f, len(deliveries), func(i int) error {
			_, err := stores[i%2].AppendDelivery(f.ctx(), f.delivery(shot(deliveries[i]), jobs.OutcomeDone))
			return err
		})
		var total [2]jobs.Applied
		closer := func(i int) func() error {
			return func() error {
				for {
					applied, err := stores[i].ApplyInbox(f.ctx(), f.now, 50)
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
		simultaneously(f, closer(0), closer(1))
		wantSame(f, "read", total[0].Read+total[1].Read, 2*n)
		wantSame(f, "conflicts", total[0].Conflicts+total[1].Conflicts, 0)
		wantSame(f, "finished", len(total[0].Finished)+len(total[1].Finished), 1)
		f.wantDistinct(n, total[0].Closed, total[1].Closed)
		f.check()
		wantSame(f, "done", f.batch("b1").Counts.Of(jobs.Done), n)
	}},
	{"two submitters lease 1000 jobs", func(f *fixture) {
		const n = 1000
		f.bulkOpen("b1", n)
		stores := f.twoStores()
		var leased [2][]jobs.Lease
		submitter := func(i int) func() error {
			return func() error {
				for {
					leases, err := stores[i].Lease(f.ctx(), "b1", fmt.Sprintf("w%d", i), 9, f.now, f.now.Add(leaseTime))
					if err != nil || len(leases) == 0 {
						return err
					}
					leased[i] = append(leased[i], leases...)
				}
			}
		}
		simultaneously(f, submitter(0), submitter(1))
		owner := map[jobs.ID]bool{}
		for _, l := range slices.Concat(leased[0], leased[1]) {
			owner[l.Job.ID] = true
		}
		wantSame(f, "leases", len(leased[0])+len(leased[1]), n)
		wantSame(f, "jobs leased", len(owner), n)
		f.check()
	}},
	{"one lease, two intents", func(f *fixture) {
		const n = 40
		f.bulkOpen("b1", n)
		leases := f.lease("b1", n)
		stores := f.twoStores()
		var won [2]int
		sender := func(i int) func() error {
			return func() error {
				for _, l := range leases {
					_, err := stores[i].OpenIntent(f.ctx(), l, f.now, f.now.Add(leaseTime))
					if err == nil {
						won[i]++
					} else if !errors.Is(err, jobs.ErrLeaseLost) {
						return err
					}
				}
				return nil
			}
		}
		simultaneously(f, sender(0), sender(1))
		wantSame(f, "intents", won[0]+won[1], n)
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, n)
		f.check()
	}},
	{"deadlines against webhooks that arrive", func(f *fixture) {
		const n = 80
		ids := f.bulk("b1", n)
		stores := f.twoStores()
		var kept [n]atomic.Bool
		var keptBefore [n]bool
		var ended atomic.Int32
		var closed [2][]jobs.Closed
		simultaneously(f, func() error {
			defer ended.Add(1)
			for i, id := range ids {
				if _, err := stores[0].AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone)); err != nil {
					return err
				}
				kept[i].Store(true)
			}
			return nil
		}, func() error {
			defer ended.Add(1)
			for i, id := range ids {
				keptBefore[i] = kept[i].Load()
				e, err := stores[1].CloseJobs(f.ctx(), []jobs.Closing{timeOut(id)}, f.now)
				if err != nil {
					return err
				}
				closed[1] = append(closed[1], e.Closed...)
			}
			return nil
		}, func() error {
			for {
				last := ended.Load() == 2
				applied, err := stores[0].ApplyInbox(f.ctx(), f.now, 5)
				if err != nil || last && applied.Read == 0 {
					return err
				}
				closed[0] = append(closed[0], applied.Closed...)
			}
		})
		f.check()
		late := 0
		for i, id := range ids {
			j := f.wantState(id, jobs.Done)
			if keptBefore[i] && j.Late {
				f.t.Fatalf("job %s timed out although its webhook was kept before", id)
			}
			if j.Late {
				late++
			}
		}
		wantSame(f, "closures", len(closed[0])+len(closed[1]), n+late)
	}},
	{"two observers, one screenshot is wanted", func(f *fixture) {
		const n = 40
		f.bulkOpen("b1", n)
		leases := f.bulkSent("b1", n)
		stores := f.twoStores()
		var effects [2]jobs.Effects
		observer := func(i int) func() error {
			return func() error {
				for _, l := range leases {
					o := seen(l.Job.ID, jobs.OutcomeProcessing)
					o.ScreenshotID, o.Cost = fmt.Sprintf("%s-%d", o.ScreenshotID, i), credits(1)
					e, err := stores[i].Observe(f.ctx(), []jobs.Observation{o}, jobs.ByPoll, f.now, f.now.Add(jobTimeout))
					if err != nil {
						return err
					}
					effects[i].Adopted += e.Adopted
					effects[i].DoubleCharged = append(effects[i].DoubleCharged, e.DoubleCharged...)
				}
				return nil
			}
		}
		simultaneously(f, observer(0), observer(1))
		wantSame(f, "adopted", effects[0].Adopted+effects[1].Adopted, n)
		wantSame(f, "double charged", len(effects[0].DoubleCharged)+len(effects[1].DoubleCharged), n)
		for _, l := range leases {
			j := f.wantState(l.Job.ID, jobs.Pending)
			wantSame(f, "double charges on the job", j.DoubleCharged, 1)
			f.wantCredits("job", j.Cost, 2)
		}
		f.check()
	}},
	{"one process publishes a revision", func(f *fixture) {
		counts := f.open("b1", rejected(1, "bad")).Counts
		stores := f.twoStores()
		var winners atomic.Int32
		var runners []func() error
		for i := range 16 {
			runners = append(runners, func() error {
				stored, err := stores[i%2].SaveSummary(f.ctx(), "b1", 1, counts, []byte("one"), f.now)
				if stored {
					winners.Add(1)
				}
				return err
			})
		}
		simultaneously(f, runners...)
		wantSame(f, "processes that stored the summary", winners.Load(), 1)
	}},
	{"one process gets a tick and pending work", func(f *fixture) {
		const n = 10
		for i := range n {
			f.bulkOpen(fmt.Sprintf("b%d", i), 1)
		}
		stores := f.twoStores()
		var ticks, work atomic.Int32
		var runners []func() error
		for i := range 8 {
			runners = append(runners, func() error {
				won, err := stores[i%2].ClaimTick(f.ctx(), "sweep", f.now, f.now.Add(time.Minute))
				if won {
					ticks.Add(1)
				}
				return err
			}, func() error {
				claimed, err := stores[i%2].ClaimWork(f.ctx(), f.now, f.now.Add(time.Minute), workLimit)
				work.Add(int32(len(claimed)))
				return err
			})
		}
		simultaneously(f, runners...)
		wantSame(f, "ticks", ticks.Load(), 1)
		wantSame(f, "work", work.Load(), n)
	}},
	{"one process looks a doubt up and sends it again", func(f *fixture) {
		const n = 30
		f.bulkOpen("b1", n)
		f.must(f.Doubt(f.ctx(), f.bulkSent("b1", n), f.now), "doubt")
		f.later(time.Minute)
		stores := f.twoStores()
		var claimed, resent atomic.Int32
		var runners []func() error
		for i := range 8 {
			runners = append(runners, func() error {
				doubts, err := stores[i%2].ClaimDoubts(f.ctx(), f.now, f.now.Add(time.Minute), 7)
				claimed.Add(int32(len(doubts)))
				return err
			})
		}
		simultaneously(f, runners...)
		wantSame(f, "claimed", claimed.Load(), n)
		f.later(time.Minute)
		doubts := f.claimDoubts(f.now, n)
		simultaneously(f, func() error {
			sent, err := stores[0].Resend(f.ctx(), doubts, f.now, f.now)
			resent.Add(int32(sent.Requeued))
			return err
		}, func() error {
			sent, err := stores[1].Resend(f.ctx(), doubts, f.now, f.now)
			resent.Add(int32(sent.Requeued))
			return err
		})
		wantSame(f, "sent again", resent.Load(), n)
		f.check()
	}},
	{"one id, one batch; one import, one opening", func(f *fixture) {
		stores := f.twoStores()
		var created, opened [2]error
		create := func(i int) func() error {
			return func() error {
				created[i] = stores[i].CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b1"}, f.now)
				return nil
			}
		}
		simultaneously(f, create(0), create(1))
		f.wantOneWinner(created, jobs.ErrExists)
		f.must(f.AppendRequests(f.ctx(), "b1", pages(20), f.now), "append")
		open := func(i int) func() error {
			return func() error {
				_, opened[i] = stores[i].OpenBatch(f.ctx(), "b1", f.now)
				return nil
			}
		}
		simultaneously(f, open(0), open(1))
		f.wantOneWinner(opened, jobs.ErrState)
		f.check()
	}},
}

// bulkRows returns the ids of the first n rows of a batch.
func (f *fixture) bulkRows(batch string, n int) []jobs.ID {
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = row(batch, int64(i+1))
	}
	return ids
}

// wantDistinct asserts that n different jobs closed, each once.
func (f *fixture) wantDistinct(n int, closed ...[]jobs.Closed) {
	f.t.Helper()
	all := slices.Concat(closed...)
	of := map[jobs.ID]bool{}
	for _, c := range all {
		of[c.Job] = true
	}
	wantSame(f, "closures", len(all), n)
	wantSame(f, "jobs closed", len(of), n)
}

// wantOneWinner asserts that one call succeeded and the other returned the error
// loser.
func (f *fixture) wantOneWinner(errs [2]error, loser error) {
	f.t.Helper()
	first, second := errs[0], errs[1]
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, loser) {
		f.t.Fatalf("errors %v and %v, want one nil and one that is %q", errs[0], errs[1], loser)
	}
}
