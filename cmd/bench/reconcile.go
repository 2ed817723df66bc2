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

// measureReconcile is jobs whose pictures are all there and whose webhooks were
// all lost, while no serve runs.
func measureReconcile(ctx context.Context, b *bench) ([]figure, error) {
	vendor := newVendor()
	defer vendor.Close()
	database := b.database("reconcile")
	batch, err := b.leavePending(ctx, vendor, database, reconciledRows)
	if err != nil {
		return nil, err
	}
	vendor.finishAll()
	calls := vendor.tally().calls
	var did struct {
		Closed struct {
			Done int `json:"done"`
		} `json:"closed"`
		Pending int `json:"pending"`
	}
	began := time.Now()
	if err := b.command(ctx, &did, "reconcile", "--db", database, "--api-key", "bench", "--base-url", vendor.URL, "--older", "0s", "--json"); err != nil {
		return nil, err
	}
	took := time.Since(began)
	calls = vendor.tally().calls - calls
	after := batch
	if err := b.command(ctx, &after, "status", batch.ID, "--db", database, "--json"); err != nil {
		return nil, err
	}
	if did.Closed.Done != reconciledRows || did.Pending != 0 || after.Done != reconciledRows || after.State != "finished" {
		return nil, fmt.Errorf("of %d rows %d were closed and %d left; the batch is %s with %d done", reconciledRows, did.Closed.Done, did.Pending, after.State, after.Done)
	}
	if paid := len(vendor.tally().shots); paid != reconciledRows {
		return nil, fmt.Errorf("%d screenshots were paid for", paid)
	}
	whose := fmt.Sprintf("%d jobs without webhooks: ", reconciledRows)
	return []figure{
		{What: whose + "vendor calls", Value: float64(calls), Target: atMost(150), From: fmt.Sprintf("%d rows a page", largestPage)},
		{What: whose + "closed", Value: reconciledRows / took.Seconds(), Unit: "jobs/s", Target: atLeast(2000),
			From: fmt.Sprintf("%.2f s of the command", took.Seconds())},
	}, nil
}

// leavePending submits so many rows to a vendor that calls nobody back, and
// returns when serve has ended.
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
	err = serve.until(ctx, "all rows are pending", func() (bool, error) {
		left, err = serve.batch(submitted.ID)
		return left.Pending == rows, err
	})
	return left, err
}

// command runs one that prints JSON and ends well.
func (b *bench) command(ctx context.Context, printed any, args ...string) error {
	run := exec.CommandContext(ctx, b.program, args...)
	var complaint bytes.Buffer
	run.Stderr = &complaint
	out, err := run.Output()
	if complaint.Len() > 0 {
		err = errors.Join(err, errors.New(complaint.String()))
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	return json.Unmarshal(out, printed)
}
