package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	submitRows  = 20_000
	submitWidth = 64 // creates at once
	submitTakes = 20 * time.Millisecond
	bareRows    = submitRows / 4 // before, and as many after

	limitedRows = 8000
	allowedRate = 500 // creates a second
	refusedPart = 0.05

	patience = 40 * time.Second // with one batch
)

// submission is a batch that went all the way.
type submission struct {
	batch
	books     // of the vendor
	took      time.Duration
	processor time.Duration // over the life of the process
	memory    float64       // its peak in MB
}

func (s *submission) perSecond() float64 { return float64(s.Done) / s.took.Seconds() }

// measureSubmission is a large batch beside a vendor that takes its time, and
// another beside one that limits the rate and now and then refuses for no reason.
func measureSubmission(ctx context.Context, b *bench) ([]figure, error) {
	vendor := newVendor()
	defer vendor.Close()
	fast, err := measureUnlimited(ctx, b, vendor)
	if err != nil {
		return nil, err
	}
	limited, err := measureLimited(ctx, b, vendor)
	return append(fast, limited...), err
}

func measureUnlimited(ctx context.Context, b *bench, vendor *vendor) ([]figure, error) {
	vendor.behave(manner{takes: submitTakes})
	before, err := bareCreates(ctx, vendor, bareRows, submitWidth)
	if err != nil {
		return nil, err
	}
	fixed, err := b.submit(ctx, vendor, manner{takes: submitTakes}, submitRows, "--concurrency", strconv.Itoa(submitWidth))
	if err != nil {
		return nil, err
	}
	adaptive, err := b.submit(ctx, vendor, manner{takes: submitTakes}, bareRows)
	if err != nil {
		return nil, err
	}
	vendor.behave(manner{takes: submitTakes})
	after, err := bareCreates(ctx, vendor, bareRows, submitWidth)
	if err != nil {
		return nil, err
	}
	for _, s := range []*submission{fixed, adaptive} {
		if s.Done != s.Rows {
			return nil, fmt.Errorf("of %d rows %d were done after %s", s.Rows, s.Done, s.took)
		}
	}
	limit := submitTakes.Seconds() / submitWidth // for a row
	bare := (1/before + 1/after) / 2
	each := fixed.took.Seconds() / submitRows
	whose := fmt.Sprintf("%d jobs, creates of %d ms, %d at once", submitRows, submitTakes.Milliseconds(), submitWidth)
	return []figure{
		{What: whose + ": until all are done", Value: each / limit, Unit: "× limit", Target: atMost(1.3),
			From: fmt.Sprintf("%.2f s against %.2f s", each*submitRows, limit*submitRows)},
		{What: "the same, a bare client", Value: bare / limit, Unit: "× limit",
			From: fmt.Sprintf("%.0f and %.0f creates/s against %.0f", before, after, 1/limit)},
		{What: "vendor calls per job", Value: float64(fixed.creates) / submitRows, Target: atMost(1.02), From: fmt.Sprintf("%d creates", fixed.creates)},
		{What: "CPU per job", Value: fixed.processor.Seconds() * 1000 / submitRows, Unit: "ms", Target: atMost(0.5),
			From: fmt.Sprintf("%.1f s of serve's whole life", fixed.processor.Seconds())},
		{What: "peak memory", Value: fixed.memory, Unit: "MB", Target: atMost(100), From: "serve's VmHWM"},
		{What: "adaptive concurrency: until all are done", Value: adaptive.took.Seconds() / bareRows / limit, Unit: fmt.Sprintf("× limit of %d at once", submitWidth),
			From: fmt.Sprintf("%d jobs in %.2f s", bareRows, adaptive.took.Seconds())},
	}, nil
}

func measureLimited(ctx context.Context, b *bench, vendor *vendor) ([]figure, error) {
	how := manner{takes: submitTakes, allowed: allowedRate, refused: refusedPart}
	s, err := b.submit(ctx, vendor, how, limitedRows, "--concurrency", strconv.Itoa(submitWidth), "--rate", strconv.Itoa(allowedRate), "--log-level", "error")
	if err != nil {
		return nil, err
	}
	whose := fmt.Sprintf("%d creates/s allowed (--rate), %.0f %% refused at random: ", allowedRate, refusedPart*100)
	return []figure{
		{What: whose + "rows that failed", Value: float64(s.Failed + s.TimedOut), Target: atMost(0),
			From: fmt.Sprintf("%d rows, %d creates, %d of them answered 429", s.Rows, s.creates, s.limited)},
		{What: whose + "jobs done", Value: s.perSecond() / allowedRate, Unit: "× allowed", Target: atLeast(0.9),
			From: fmt.Sprintf("%d in %.1f s", s.Done, s.took.Seconds())},
	}, nil
}

// submit has a serve of its own bring so many rows to their end, or as many as
// it can within our patience.
func (b *bench) submit(ctx context.Context, v *vendor, how manner, rows int, flags ...string) (_ *submission, err error) {
	serve, err := b.startServe(ctx, b.database("submission-"+rand.Text()), append([]string{"--base-url", v.URL}, flags...)...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if serve != nil {
			err = errors.Join(err, serve.stop())
		}
	}()
	how.hook = serve.hook
	before, _ := v.courier.tally()
	v.behave(how)
	s := &submission{}
	if s.batch, err = serve.submitRows(rows); err != nil {
		return nil, err
	}
	began := time.Now()
	var asked time.Time
	err = serve.within(ctx, patience+soon, "all rows have ended", func() (bool, error) {
		taken, err := v.courier.tally()
		if err != nil || taken-before < rows && time.Since(asked) < time.Second {
			return false, err // questions would take some of what is measured
		}
		asked = time.Now()
		s.batch, err = serve.batch(s.ID)
		return s.State == "finished" || time.Since(began) > patience, err
	})
	if err != nil {
		return nil, err
	}
	s.books = v.tally()
	if s.began.Before(began) { // a create may come before the answer that the batch is open
		began = s.began
	}
	s.took = time.Since(began)
	if len(s.shots) < s.Done || s.State == "finished" && len(s.shots) != s.Done {
		return nil, fmt.Errorf("%d screenshots were paid for, and of %d rows %d are done", len(s.shots), rows, s.Done)
	}
	if s.memory, err = peakMemory(serve.process.Process.Pid); err != nil {
		return nil, err
	}
	ended := serve
	serve = nil
	if err := ended.stop(); err != nil {
		return nil, err
	}
	s.processor = ended.processorTime()
	return s, nil
}
