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

// measureIntake is the whole way of a webhook against a handler that only reads,
// verifies and decodes: the two take turns.
func measureIntake(ctx context.Context, b *bench) (all []figure, err error) {
	bare, err := startBare()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	for _, connections := range []int{64, 512} {
		ours, theirs := rounds{}, rounds{}
		for range intakeRounds {
			h, err := (&hammer{address: bare.address, connections: connections, first: 1, last: intakeRows}).run(ctx)
			if err != nil {
				return nil, err
			}
			theirs.add(h.perSecond(), h.latencies)
			i, err := b.takeInSeeded(ctx, intakeRows, intakeRows, &hammer{connections: connections})
			if err != nil {
				return nil, err
			}
			ours.add(i.perSecond(), i.latencies)
			b.say("intake over %d connections: %.0f/s (bare %.0f), %d commits of %.1f operations, lag %.2f s, %.1f s of CPU, %.0f MB",
				connections, i.perSecond(), h.perSecond(), i.commits, i.groups, i.lag, i.cpu, i.memory)
		}
		of := fmt.Sprintf("%d connections", connections)
		all = append(all,
			figure{What: "throughput, " + of, Value: ours.rate() / theirs.rate(), Unit: "× bare", Target: atLeast(0.5),
				From: fmt.Sprintf("%.0f/s against %.0f/s", ours.rate(), theirs.rate())},
			figure{What: "p99 of the answer, " + of, Value: ours.p99() / theirs.p99(), Unit: "× bare", Target: atMost(5),
				From: fmt.Sprintf("%.1f ms against %.1f ms", ours.p99(), theirs.p99())})
	}
	return all, nil
}

// takeInSeeded tells of the pending rows of a seeded database, the last ones.
func (b *bench) takeInSeeded(ctx context.Context, rows, pending int, h *hammer) (*intake, error) {
	database, err := b.seed(ctx, "intake", rows, pending)
	if err != nil {
		return nil, err
	}
	h.first, h.last = rows-pending+1, rows
	i, err := b.takeIn(ctx, database, h, nil)
	if err == nil && i.refused > 0 {
		err = fmt.Errorf("%d webhooks were refused", i.refused)
	}
	return i, err
}

// rounds are repeated measurements: of rates the median counts, of latencies the
// worst.
type rounds struct{ rates, p99s []float64 }

func (r *rounds) add(rate float64, l latencies) {
	r.rates, r.p99s = append(r.rates, rate), append(r.p99s, l.at(0.99))
}

func (r *rounds) rate() float64 { return median(r.rates) }
func (r *rounds) p99() float64  { return slices.Max(r.p99s) }

// median is the lower one of an even number.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
