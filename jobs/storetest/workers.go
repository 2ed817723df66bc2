package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var workerTests = []test{
	{"workers are listed until they end", func(f *fixture) {
		start := f.now
		serve := jobs.Worker{ID: "w1", Role: "serve", PID: 11, Receives: true, SeenAt: start}
		run := jobs.Worker{ID: "w2", Role: "run", PID: 12, SeenAt: start.Add(5 * time.Second)}
		f.wantWorkers(start)
		for _, w := range []jobs.Worker{serve, run} {
			f.must(f.Announce(f.ctx(), w), "announce")
		}
		f.wantWorkers(start, serve, run)
		f.wantWorkers(start.Add(time.Second), run)
		serve.SeenAt = start.Add(10 * time.Second)
		serve.Receives = false
		serve.Troubles = []jobs.Trouble{{Kind: jobs.TroubleVendor, Since: start, Until: start.Add(time.Minute), Text: "no route"}, {Kind: jobs.TroublePath, Count: 3}}
		f.must(f.Announce(f.ctx(), serve), "announce again")
		f.wantWorkers(start.Add(10*time.Second), serve)
		f.must(f.Withdraw(f.ctx(), "w1"), "withdraw")
		f.wantWorkers(start, run)
		f.must(f.Withdraw(f.ctx(), "w1"), "withdraw again")
	}},
}

func (f *fixture) wantWorkers(since time.Time, want ...jobs.Worker) {
	f.t.Helper()
	workers, err := f.Workers(f.ctx(), since)
	f.must(err, "workers")
	slices.SortFunc(workers, func(x, y jobs.Worker) int { return x.PID - y.PID })
	wantSame(f, "workers", len(workers), len(want))
	for i, w := range workers {
		f.wantTime("seen", w.SeenAt, want[i].SeenAt)
		w.SeenAt = want[i].SeenAt
		if diff := cmp.Diff(want[i], w); diff != "" {
			f.t.Fatalf("worker (-want +got):\n%s", diff)
		}
	}
}
