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
	bareRows    = submitRows / 4 // before the measurement, and as many after it

	limitedRows = 8000
	allowedRate = 500 // creates per second
	refusedPart = 0.05

	batchTimeout = 40 * time.Second // for one batch
)

// submission is the result of a batch that was submitted.
type submission struct {
	batch
	record    // of the vendor
	took      time.Duration
	processor time.Duration // CPU time over the life of the process
	memory    float64       // peak in MB
}

func (s *submission) perSecond() float64 { return float64(s.Done) / s.took.Seconds() }

// measureSubmission measures a large batch with a vendor that takes some time for
// a create, and another with a vendor that limits the rate and refuses some
// creates at random.
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
	vendor.behave(behavior{takes: submitTakes})
	before, err := bareCreates(ctx, vendor, bareRows, submitWidth)
	if err != nil {
		return nil, err
	}
	fixed, err := b.submit(ctx, vendor, behavior{takes: submitTakes}, submitRows, "--concurrency", strconv.Itoa(submitWidth))
	if err != nil {
		return nil, err
	}
	adaptive, err := b.submit(ctx, vendor, behavior{takes: submitTakes}, bareRows)
	if err != nil {
		return nil, err
	}
	vendor.behave(behavior{takes: submitTakes})
	after, err := bareCreates(ctx, vendor, bareRows, submitWidth)
	if err != nil {
		return nil, err
	}
	for _, s := range []*submission{fixed, adaptive} {
		if s.Done != s.Rows {
			return nil, fmt.Errorf("%d of %d rows were done after %s", s.Done, s.Rows, s.took)
		}
	}
	limit := submitTakes.Seconds() / submitWidth // per row
	bare := (1/before + 1/after) / 2
	each := fixed.took.Seconds() / submitRows
	label := fmt.Sprintf("%d jobs, creates of %d ms, %d at once", submitRows, submitTakes.Milliseconds(), submitWidth)
	return []figure{
		{What: label + ": until all are done", Value: each / limit, Unit: "× limit", Target: atMost(1.3),
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
	how := behavior{takes: submitTakes, allowed: allowedRate, refused: refusedPart}
	s, err := b.submit(ctx, vendor, how, limitedRows, "--concurrency", strconv.Itoa(submitWidth), "--rate", strconv.Itoa(allowedRate), "--log-level", "error")
	if err != nil {
		return nil, err
	}
	label := fmt.Sprintf("%d creates/s allowed (--rate), %.0f %% refused at random: ", allowedRate, refusedPart*100)
	return []figure{
		{What: label + "rows that failed", Value: float64(s.Failed + s.TimedOut), Target: atMost(0),
			From: fmt.Sprintf("%d rows, %d creates, %d of them answered 429", s.Rows, s.creates, s.limited)},
		{What: label + "jobs done", Value: s.perSecond() / allowedRate, Unit: "× allowed", Target: atLeast(0.9),
			From: fmt.Sprintf("%d in %.1f s", s.Done, s.took.Seconds())},
	}, nil
}

// submit starts a serve and submits rows. It returns when they have ended, or
// when batchTimeout is over.
func (b *bench) submit(ctx context.Context, v *vendor, how behavior, rows int, flags ...string) (_ *submission, err error) {
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
	before, _ := v.webhooks.counts()
	v.behave(how)
	s := &submission{}
	if s.batch, err = serve.submitRows(rows); err != nil {
		return nil, err
	}
	began := time.Now()
	var polled time.Time
	err = serve.waitWithin(ctx, batchTimeout+shortTimeout, "all rows have ended", func() (bool, error) {
		accepted, err := v.webhooks.counts()
		if err != nil || accepted-before < rows && time.Since(polled) < time.Second {
			return false, err // requests would use some of the CPU that is measured
		}
		polled = time.Now()
		s.batch, err = serve.batch(s.ID)
		return s.State == "finished" || time.Since(began) > batchTimeout, err
	})
	if err != nil {
		return nil, err
	}
	s.record = v.counts()
	if s.began.Before(began) { // a create can arrive before the response to the batch
		began = s.began
	}
	s.took = time.Since(began)
	if len(s.shots) < s.Done || s.State == "finished" && len(s.shots) != s.Done {
		return nil, fmt.Errorf("%d screenshots were paid for, but %d of %d rows are done", len(s.shots), s.Done, rows)
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
