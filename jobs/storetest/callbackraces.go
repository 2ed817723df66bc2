package storetest

import (
	"fmt"
	"slices"

	"shotline/jobs"
)

var callbackRaceTests = []test{
	{"two processes claim each callback once, within the limit of its lane", func(f *fixture) {
		const lanes, each, perLane = 10, 30, 3
		f.openCursor("r")
		var callbacks []jobs.Callback
		for i := range int64(lanes * each) {
			callbacks = append(callbacks, callback(i+1, fmt.Sprint("lane ", i%lanes)))
		}
		f.addCallbacks("r", 0, 1, callbacks...)
		stores := f.twoStores()
		for range each / perLane {
			var claimed [2][]jobs.Callback
			claimer := func(i int) func() error {
				return func() error {
					for {
						page, err := stores[i].ClaimCallbacks(f.ctx(), f.now, f.now.Add(claimTime), perLane, 4)
						if err != nil || len(page) == 0 {
							return err
						}
						claimed[i] = append(claimed[i], page...)
					}
				}
			}
			simultaneously(f, claimer(0), claimer(1))
			ofLane, seen := map[string]int{}, map[int64]bool{}
			for _, c := range slices.Concat(claimed[0], claimed[1]) {
				ofLane[c.Lane]++
				seen[c.Seq] = true
			}
			wantSame(f, "claimed", len(seen), lanes*perLane)
			for lane, n := range ofLane {
				wantSame(f, lane, n, perLane)
			}
			var begun, settled [2]int
			worker := func(i int) func() error {
				return func() error {
					for _, c := range slices.Concat(claimed[0], claimed[1]) {
						c, err := stores[i].BeginCallback(f.ctx(), c.Seq, c.Generation, f.now, f.now.Add(attemptTime))
						if err != nil {
							continue // the other worker has begun it
						}
						begun[i]++
						if stores[i].SettleCallback(f.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackDelivered}, f.now, f.now) == nil {
							settled[i]++
						}
					}
					return nil
				}
			}
			simultaneously(f, worker(0), worker(1))
			wantSame(f, "begun", begun[0]+begun[1], lanes*perLane)
			wantSame(f, "settled", settled[0]+settled[1], lanes*perLane)
		}
		wantSame(f, "delivered", len(f.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}, Limit: 1000})), lanes*each)
	}},
	{"only one of two processes settles an attempt", func(f *fixture) {
		const n = 60
		f.openCursor("r")
		var callbacks []jobs.Callback
		for i := range int64(n) {
			callbacks = append(callbacks, callback(i+1, "a"))
		}
		f.addCallbacks("r", 0, 1, callbacks...)
		var begun []jobs.Callback
		for _, c := range f.claim(n, n) {
			begun = append(begun, f.begin(c))
		}
		stores := f.twoStores()
		var won [2]int
		ends := []jobs.CallbackEnd{{State: jobs.CallbackDelivered}, {State: jobs.CallbackDead}}
		settler := func(i int) func() error {
			return func() error {
				for _, c := range begun {
					if stores[i].SettleCallback(f.ctx(), c, ends[i], f.now, f.now) == nil {
						won[i]++
					}
				}
				return nil
			}
		}
		simultaneously(f, settler(0), settler(1))
		wantSame(f, "settled", won[0]+won[1], n)
		wantSame(f, "delivered", len(f.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}})), won[0])
		wantSame(f, "dead", len(f.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDead}})), won[1])
	}},
}
