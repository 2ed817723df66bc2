package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	floodRows   = 700_000
	floodTime   = time.Minute
	repeated    = 0.3 // part of all requests
	besideRows  = 500_000
	besideConns = 64
)

// measureRepeats compares webhooks of which a part are repeats with webhooks
// without repeats.
func measureRepeats(ctx context.Context, b *bench) ([]figure, error) {
	var once, repeats rounds
	for range intakeRounds {
		for _, r := range []struct {
			*rounds
			repeatPart float64
		}{{&once, 0}, {&repeats, repeated}} {
			i, err := b.takeInSeeded(ctx, intakeRows, intakeRows, &loadGenerator{connections: 64, repeatPart: r.repeatPart})
			if err != nil {
				return nil, err
			}
			r.add(i.perSecond(), i.latencies)
		}
	}
	return []figure{{What: "throughput with 30 % repeats, 64 connections", Value: repeats.rate() / once.rate(), Unit: "× without", Target: atLeast(1),
		From: fmt.Sprintf("%.0f/s against %.0f/s", repeats.rate(), once.rate())}}, nil
}

// measureFlood sends as many webhooks as serve can take for a minute, 30 % of
// them repeats.
func measureFlood(ctx context.Context, b *bench) ([]figure, error) {
	i, err := b.takeInSeeded(ctx, floodRows, floodRows, &loadGenerator{connections: 64, repeatPart: repeated, repeatAfterLast: true, limit: floodTime})
	if err != nil {
		return nil, err
	}
	return []figure{
		{What: "longest lag of the closer in a minute of full load", Value: i.lag, Unit: "s", Target: atMost(1),
			From: fmt.Sprintf("%d webhooks in %.0f s, %d jobs closed", len(i.latencies), i.took.Seconds(), i.fresh)},
		{What: "operations of a commit, on average", Value: i.groups, From: fmt.Sprintf("%d commits", i.commits)},
		{What: "peak memory of serve", Value: i.memory, Unit: "MB"},
	}, nil
}

// measureBeside sends webhooks while another process imports rows into the same
// database file.
func measureBeside(ctx context.Context, b *bench) ([]figure, error) {
	file := filepath.Join(b.folder, "beside.csv")
	if err := writeCSV(file, besideRows); err != nil {
		return nil, err
	}
	database, err := b.seed(ctx, "beside", floodRows, floodRows)
	if err != nil {
		return nil, err
	}
	var took time.Duration
	i, err := b.takeIn(ctx, database, &loadGenerator{connections: besideConns, first: 1, last: floodRows, repeatAfterLast: true, limit: 3 * time.Minute}, func() error {
		began := time.Now()
		output, err := exec.CommandContext(ctx, b.program, "submit", "--db", database, "--json", file).CombinedOutput()
		took = time.Since(began)
		switch {
		case err != nil:
			return fmt.Errorf("import beside webhooks: %w\n%s", err, output)
		case !strings.Contains(string(output), fmt.Sprintf(`"accepted":%d`, besideRows)):
			return fmt.Errorf("import beside webhooks: want %d accepted rows, got %s", besideRows, output)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	from := fmt.Sprintf("%d webhooks in the %.0f s of an import of %d rows", len(i.latencies), took.Seconds(), besideRows)
	return []figure{
		{What: "p99 of the answer beside an import, 64 connections", Value: i.at(0.99), Unit: "ms", Target: atMost(100), From: from},
		{What: "webhooks not taken beside an import", Value: float64(i.refused), Unit: "", Target: atMost(0), From: from},
	}, nil
}

// measureLevel compares a large database with a small one.
func measureLevel(ctx context.Context, b *bench) ([]figure, error) {
	const small, large, pending = 10_000, 1_000_000, 100_000
	var few, many rounds
	for range intakeRounds {
		// A run over a small database is short, so one round has several of them.
		var sent, took float64
		for range 4 {
			i, err := b.takeInSeeded(ctx, small, small, &loadGenerator{connections: 64})
			if err != nil {
				return nil, err
			}
			sent, took = sent+float64(len(i.latencies)), took+i.drained.Seconds()
		}
		few.rates = append(few.rates, sent/took)
		i, err := b.takeInSeeded(ctx, large, pending, &loadGenerator{connections: 64})
		if err != nil {
			return nil, err
		}
		many.rates = append(many.rates, i.perSecond())
	}
	return []figure{{What: "throughput with 1,000,000 jobs, 100,000 pending", Value: many.rate() / few.rate(), Unit: "× with 10,000", Target: atLeast(0.85),
		From: fmt.Sprintf("%.0f/s against %.0f/s", many.rate(), few.rate())}}, nil
}
