package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The database for measures that depend on its size.
const (
	manyJobs    = 1_000_000
	manyPending = 100_000
)

// measureStart measures how soon serve is ready and how long a command takes,
// with a large database.
func measureStart(ctx context.Context, b *bench) ([]figure, error) {
	database, err := b.seed(ctx, "start", manyJobs, manyPending)
	if err != nil {
		return nil, err
	}
	defer removeDatabase(database)
	vendor := newVendor()
	defer vendor.Close()
	var ready latencies
	for range 5 {
		began := time.Now()
		serve, err := b.startServe(ctx, database, "--base-url", vendor.URL)
		if err != nil {
			return nil, err
		}
		ready = append(ready, time.Since(began))
		if err := serve.stop(); err != nil {
			return nil, err
		}
	}
	slices.Sort(ready)
	figures := []figure{{What: "serve on 1,000,000 jobs, ready", Value: ready.at(0.5), Unit: "ms", Target: atMost(1000),
		From: fmt.Sprintf("median of %d", len(ready))}}
	for _, status := range []struct {
		what  string
		args  []string
		check func(out []byte) error
	}{
		{"status --json on 1,000,000 jobs", []string{"--json"}, checkBatch},
		{"status on 1,000,000 jobs", nil, func(out []byte) error {
			if !strings.Contains(string(out), fmt.Sprintf(" %d\n", manyPending)) {
				return fmt.Errorf("status printed %q", out)
			}
			return nil
		}},
	} {
		var runs []commandRun
		for range 10 {
			r, err := command(ctx, b.program, append([]string{"status", "--db", database, seeded}, status.args...)...)
			if err = errors.Join(err, status.check(r.out)); err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
		figures = append(figures, figure{What: status.what, Value: sorted(runs).at(0.5), Unit: "ms", Target: atMost(50),
			From: fmt.Sprintf("median of %d", len(runs))})
	}
	return figures, nil
}

// checkBatch checks that text describes the seeded batch.
func checkBatch(text []byte) error {
	var got struct {
		ID            string `json:"batch_id"`
		Rows, Pending int
	}
	if err := json.Unmarshal(text, &got); err != nil || got.ID != seeded || got.Rows != manyJobs || got.Pending != manyPending {
		return fmt.Errorf("want the seeded batch, got %.200s", text)
	}
	return nil
}
