package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

const (
	intakeRows   = 100_000
	intakeRounds = 2
)

// measureIntake measures the whole path of a webhook, compared with a handler
// that only reads, verifies and decodes it. The two take turns.
func measureIntake(ctx context.Context, b *bench) (all []figure, err error) {
	bare, err := startBare()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	for _, connections := range []int{64, 512} {
		serveRounds, bareRounds := rounds{}, rounds{}
		for range intakeRounds {
			g, err := (&loadGenerator{address: bare.address, connections: connections, first: 1, last: intakeRows}).run(ctx)
			if err != nil {
				return nil, err
			}
			bareRounds.add(g.perSecond(), g.latencies)
			i, err := b.takeInSeeded(ctx, intakeRows, intakeRows, &loadGenerator{connections: connections})
			if err != nil {
				return nil, err
			}
			serveRounds.add(i.perSecond(), i.latencies)
			b.logf("intake over %d connections: %.0f/s (bare %.0f), %d commits of %.1f operations, lag %.2f s, %.1f s of CPU, %.0f MB",
				connections, i.perSecond(), g.perSecond(), i.commits, i.groups, i.lag, i.cpu, i.memory)
		}
		label := fmt.Sprintf("%d connections", connections)
		all = append(all,
			figure{What: "throughput, " + label, Value: serveRounds.rate() / bareRounds.rate(), Unit: "× bare", Target: atLeast(0.5),
				From: fmt.Sprintf("%.0f/s against %.0f/s", serveRounds.rate(), bareRounds.rate())},
			figure{What: "p99 of the answer, " + label, Value: serveRounds.p99() / bareRounds.p99(), Unit: "× bare", Target: atMost(5),
				From: fmt.Sprintf("%.1f ms against %.1f ms", serveRounds.p99(), bareRounds.p99())})
	}
	return all, nil
}

// takeInSeeded sends the webhooks of the pending rows of a seeded database. These
// are its last rows.
func (b *bench) takeInSeeded(ctx context.Context, rows, pending int, g *loadGenerator) (*intake, error) {
	database, err := b.seed(ctx, "intake", rows, pending)
	if err != nil {
		return nil, err
	}
	g.first, g.last = rows-pending+1, rows
	i, err := b.takeIn(ctx, database, g, nil)
	if err == nil && i.refused > 0 {
		err = fmt.Errorf("%d webhooks were refused", i.refused)
	}
	return i, err
}

// rounds are repeated measurements. They are reported as the median of the rates
// and the worst of the latencies.
type rounds struct{ rates, p99s []float64 }

func (r *rounds) add(rate float64, l latencies) {
	r.rates, r.p99s = append(r.rates, rate), append(r.p99s, l.at(0.99))
}

func (r *rounds) rate() float64 { return median(r.rates) }
func (r *rounds) p99() float64  { return slices.Max(r.p99s) }

// median returns the lower one of the two middle values if their number is even.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
