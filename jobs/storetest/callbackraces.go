package storetest

import (
	"fmt"
	"slices"

	"shotline/jobs"
)

var callbackRaceTests = []test{
	{"two processes claim each callback once, and no more of a lane than may be", func(b *book) {
		const lanes, each, perLane = 10, 30, 3
		b.openCursor("r")
		var owed []jobs.Callback
		for i := range int64(lanes * each) {
			owed = append(owed, callback(i+1, fmt.Sprint("lane ", i%lanes)))
		}
		b.owe("r", 0, 1, owed...)
		stores := b.openers()
		for range each / perLane {
			var claimed [2][]jobs.Callback
			claimer := func(i int) func() error {
				return func() error {
					for {
						page, err := stores[i].ClaimCallbacks(b.ctx(), b.now, b.now.Add(claimTime), perLane, 4)
						if err != nil || len(page) == 0 {
							return err
						}
						claimed[i] = append(claimed[i], page...)
					}
				}
			}
			race(b, claimer(0), claimer(1))
			ofLane, seen := map[string]int{}, map[int64]bool{}
			for _, c := range slices.Concat(claimed[0], claimed[1]) {
				ofLane[c.Lane]++
				seen[c.Seq] = true
			}
			wantSame(b, "claimed", len(seen), lanes*perLane)
			for lane, n := range ofLane {
				wantSame(b, lane, n, perLane)
			}
			var begun, settled [2]int
			worker := func(i int) func() error {
				return func() error {
					for _, c := range slices.Concat(claimed[0], claimed[1]) {
						c, err := stores[i].BeginCallback(b.ctx(), c.Seq, c.Generation, b.now, b.now.Add(attemptTime))
						if err != nil {
							continue // the other one has it
						}
						begun[i]++
						if stores[i].SettleCallback(b.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackDelivered}, b.now, b.now) == nil {
							settled[i]++
						}
					}
					return nil
				}
			}
			race(b, worker(0), worker(1))
			wantSame(b, "begun", begun[0]+begun[1], lanes*perLane)
			wantSame(b, "settled", settled[0]+settled[1], lanes*perLane)
		}
		wantSame(b, "delivered", len(b.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}, Limit: 1000})), lanes*each)
	}},
	{"of two that settle one attempt one does", func(b *book) {
		const n = 60
		b.openCursor("r")
		var owed []jobs.Callback
		for i := range int64(n) {
			owed = append(owed, callback(i+1, "a"))
		}
		b.owe("r", 0, 1, owed...)
		var begun []jobs.Callback
		for _, c := range b.claim(n, n) {
			begun = append(begun, b.begin(c))
		}
		stores := b.openers()
		var won [2]int
		ends := []jobs.CallbackEnd{{State: jobs.CallbackDelivered}, {State: jobs.CallbackDead}}
		settler := func(i int) func() error {
			return func() error {
				for _, c := range begun {
					if stores[i].SettleCallback(b.ctx(), c, ends[i], b.now, b.now) == nil {
						won[i]++
					}
				}
				return nil
			}
		}
		race(b, settler(0), settler(1))
		wantSame(b, "settled", won[0]+won[1], n)
		wantSame(b, "delivered", len(b.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}})), won[0])
		wantSame(b, "dead", len(b.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDead}})), won[1])
	}},
}
