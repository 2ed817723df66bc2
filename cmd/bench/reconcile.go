package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

const reconciledRows = 10_000

// measureReconcile measures a reconcile of jobs label screenshots are all
// finished and label webhooks were all lost, while no serve runs.
func measureReconcile(ctx context.Context, b *bench) ([]figure, error) {
	vendor := newVendor()
	defer vendor.Close()
	database := b.database("reconcile")
	batch, err := b.leavePending(ctx, vendor, database, reconciledRows)
	if err != nil {
		return nil, err
	}
	vendor.finishAll()
	calls := vendor.counts().calls
	var pass struct {
		Closed struct {
			Done int `json:"done"`
		} `json:"closed"`
		Pending int `json:"pending"`
	}
	began := time.Now()
	if err := b.command(ctx, &pass, "reconcile", "--db", database, "--api-key", "bench", "--base-url", vendor.URL, "--older", "0s", "--json"); err != nil {
		return nil, err
	}
	took := time.Since(began)
	calls = vendor.counts().calls - calls
	after := batch
	if err := b.command(ctx, &after, "status", batch.ID, "--db", database, "--json"); err != nil {
		return nil, err
	}
	if pass.Closed.Done != reconciledRows || pass.Pending != 0 || after.Done != reconciledRows || after.State != "finished" {
		return nil, fmt.Errorf("%d rows: %d were closed and %d are pending; the batch is %s with %d done", reconciledRows, pass.Closed.Done, pass.Pending, after.State, after.Done)
	}
	if paid := len(vendor.counts().shots); paid != reconciledRows {
		return nil, fmt.Errorf("%d screenshots were paid for, want %d", paid, reconciledRows)
	}
	label := fmt.Sprintf("%d jobs without webhooks: ", reconciledRows)
	return []figure{
		{What: label + "vendor calls", Value: float64(calls), Target: atMost(150), From: fmt.Sprintf("%d rows a page", largestPage)},
		{What: label + "closed", Value: reconciledRows / took.Seconds(), Unit: "jobs/s", Target: atLeast(2000),
			From: fmt.Sprintf("%.2f s of the command", took.Seconds())},
	}, nil
}

// leavePending submits rows to a vendor that sends no webhooks. It returns when
// all rows are pending and serve has ended.
func (b *bench) leavePending(ctx context.Context, v *vendor, database string, rows int) (left batch, err error) {
	serve, err := b.startServe(ctx, database, "--base-url", v.URL, "--concurrency", strconv.Itoa(submitWidth))
	if err != nil {
		return batch{}, err
	}
	defer func() { err = errors.Join(err, serve.stop()) }()
	submitted, err := serve.submitRows(rows)
	if err != nil {
		return batch{}, err
	}
	err = serve.waitFor(ctx, "all rows are pending", func() (bool, error) {
		left, err = serve.batch(submitted.ID)
		return left.Pending == rows, err
	})
	return left, err
}

// command runs a command of the binary that prints JSON, and decodes it. Any
// output to standard error is an error.
func (b *bench) command(ctx context.Context, printed any, args ...string) error {
	run := exec.CommandContext(ctx, b.program, args...)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if stderr.Len() > 0 {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	return json.Unmarshal(out, printed)
}
