package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

var workerTests = []test{
	{"workers are seen until they end", func(b *book) {
		start := b.now
		serve := jobs.Worker{ID: "w1", Role: "serve", PID: 11, Receives: true, SeenAt: start}
		run := jobs.Worker{ID: "w2", Role: "run", PID: 12, SeenAt: start.Add(5 * time.Second)}
		b.wantWorkers(start)
		for _, w := range []jobs.Worker{serve, run} {
			b.must(b.Announce(b.ctx(), w), "announce")
		}
		b.wantWorkers(start, serve, run)
		b.wantWorkers(start.Add(time.Second), run)
		serve.SeenAt = start.Add(10 * time.Second)
		serve.Receives = false
		b.must(b.Announce(b.ctx(), serve), "announce again")
		b.wantWorkers(start.Add(10*time.Second), serve)
		b.must(b.Withdraw(b.ctx(), "w1"), "withdraw")
		b.wantWorkers(start, run)
		b.must(b.Withdraw(b.ctx(), "w1"), "withdraw again")
	}},
}

func (b *book) wantWorkers(since time.Time, want ...jobs.Worker) {
	b.t.Helper()
	workers, err := b.Workers(b.ctx(), since)
	b.must(err, "workers")
	slices.SortFunc(workers, func(x, y jobs.Worker) int { return x.PID - y.PID })
	wantSame(b, "workers", len(workers), len(want))
	for i, w := range workers {
		b.wantTime("seen", w.SeenAt, want[i].SeenAt)
		w.SeenAt = want[i].SeenAt
		wantSame(b, "worker", w, want[i])
	}
}
