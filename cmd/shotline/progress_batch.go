package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

const (
	// rateTime is the time over which the rate of a batch is measured.
	rateTime = time.Minute
	// leastRateTime is the time after which the rate is shown.
	leastRateTime = 2 * time.Second
	// holdEvery is how often progress looks for what holds the batch.
	holdEvery = 2 * time.Second
)

// batchStore has the methods of a store that the progress of a batch reads.
type batchStore interface {
	finding.Reader
	Batch(ctx context.Context, id string) (jobs.Batch, error)
}

// batchProgress shows the progress of a batch: its rows, the rate of the last minute
// and the time that is left, the cost, the share of webhooks, and what holds it.
type batchProgress struct {
	*progress
	store batchStore

	mu      sync.Mutex
	samples []sample // of the last minute, at most one a second
	held    string   // what holds the batch
	state   string   // the newest line
}

// sample is how many rows had ended at a time.
type sample struct {
	at    time.Time
	ended int64
}

// watch shows what holds a batch also while nothing happens, until ctx ends.
// The function that it returns waits for the end.
func (p *batchProgress) watch(ctx context.Context, id string) (wait func()) {
	var looking sync.WaitGroup
	looking.Go(func() {
		for clock.Sleep(ctx, holdEvery) == nil {
			b, err := p.store.Batch(ctx, id)
			if err != nil {
				continue
			}
			held := whatHolds(ctx, p.store, b)
			p.mu.Lock()
			p.held = held
			p.mu.Unlock()
			p.batch(b)
		}
	})
	return looking.Wait
}

// print prints the state of the batch on a line of its own.
func (p *batchProgress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != "" {
		fmt.Fprintln(p.w, p.state)
	}
}

// whatHolds returns the most important reason why a batch makes no progress, without
// that it waits for the vendor.
func whatHolds(ctx context.Context, store finding.Reader, b jobs.Batch) string {
	found, err := finding.OfBatch(ctx, store, b, clock.Now())
	if err != nil {
		return ""
	}
	for _, f := range found {
		switch f.Kind {
		case finding.Webhooks, finding.NoReceiver, finding.Polled, string(jobs.TroubleSignature), string(jobs.TroublePath):
		default:
			return f.Text
		}
	}
	return ""
}

// batch shows the progress. It is safe for concurrent use.
func (p *batchProgress) batch(b jobs.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := b.Counts.Rows - b.Counts.Open()
	p.sample(time.Now(), ended)
	p.predicts = true
	parts := p.parts(b)
	p.state = fmt.Sprintf("%s of %s ended: %s", number.Grouped(ended), number.Of(b.Counts.Rows, "row"), strings.Join(parts, ", "))
	p.show(ended, b.Counts.Rows, parts...)
}

// sample records how many rows have ended.
func (p *batchProgress) sample(now time.Time, ended int64) {
	if n := len(p.samples); n == 0 || now.Sub(p.samples[n-1].at) >= time.Second {
		p.samples = append(p.samples, sample{now, ended})
	}
	for len(p.samples) > 1 && now.Sub(p.samples[0].at) > rateTime {
		p.samples = p.samples[1:]
	}
}

// parts returns what is shown of a batch, the most important first.
func (p *batchProgress) parts(b jobs.Batch) (parts []string) {
	if p.held != "" {
		parts = append(parts, printable(p.held))
	}
	text := number.Grouped(b.Counts.Of(jobs.Done)) + " done"
	if flawed := b.Counts.Flawed(); flawed > 0 {
		text += ", " + number.Grouped(flawed) + " without an image"
	}
	parts = append(parts, text)
	ended, open := b.Counts.Rows-b.Counts.Open(), b.Counts.Open()
	first := p.samples[0]
	if took := time.Since(first.at); took >= leastRateTime && ended > first.ended && open > 0 {
		perSecond := float64(ended-first.ended) / took.Seconds()
		left := time.Duration(float64(open) / perSecond * float64(time.Second))
		parts = append(parts, rateText(perSecond)+", "+roundForDisplay(left).String()+" left")
	}
	if b.Counts.Cost != nil {
		parts = append(parts, summary.Credits(*b.Counts.Cost))
	}
	if by := b.Counts.ByProvenance; by[jobs.ByWebhook] > 0 {
		parts = append(parts, fmt.Sprintf("%d %% by webhook", 100*by[jobs.ByWebhook]/max(ended-b.Counts.Of(jobs.Duplicate)-b.Counts.Of(jobs.Rejected), 1)))
	}
	return parts
}

// rateText writes a rate per second, or per minute if it is low.
func rateText(perSecond float64) string {
	if perSecond < 1 {
		return fmt.Sprintf("%.0f/min", 60*perSecond)
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

// fit joins as many parts as a width allows, at least a piece of the first one.
func fit(parts []string, width int) string {
	text := ""
	for i, part := range parts {
		if i > 0 {
			part = ", " + part
		}
		if len([]rune(text))+len([]rune(part)) > width {
			break
		}
		text += part
	}
	if text == "" && len(parts) > 0 {
		runes := []rune(strings.TrimSpace(parts[0]))
		return string(runes[:min(len(runes), max(width-1, 0))]) + "…"
	}
	return text
}
