package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"shotline/jobs"
)

const (
	barAfter  = time.Second
	lineEvery = 5 * time.Second
)

// progress tells on stderr how far something is, once it has taken longer than
// a second: a bar on a terminal, a plain line now and then elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	lineAt   time.Time
	bar      *progressbar.ProgressBar
	last     string
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	return &progress{w: w, terminal: isTerminal(w), began: now, lineAt: now.Add(barAfter)}
}

// batch shows how many rows of a batch have ended.
func (p *progress) batch(b jobs.Batch) {
	ended := b.Counts.Rows - b.Counts.Open()
	text := fmt.Sprintf("%d done", b.Counts.Of(jobs.Done))
	if flawed := b.Counts.Flawed(); flawed > 0 {
		text += fmt.Sprintf(", %d failed", flawed)
	}
	p.show(ended, b.Counts.Rows, text)
}

// rows shows how many rows of an input of unknown length were read.
func (p *progress) rows(n int) { p.show(int64(n), -1, "rows read") }

func (p *progress) show(n, total int64, text string) {
	now := time.Now()
	if now.Sub(p.began) < barAfter {
		return
	}
	if p.terminal {
		if p.bar == nil {
			p.bar = progressbar.NewOptions64(total,
				progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(50*time.Millisecond),
				progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
		}
		p.bar.Describe(text)
		// The bar only draws; that it cannot is nothing to stop for.
		_ = p.bar.Set64(n)
		return
	}
	line := fmt.Sprintf("%d of %d rows ended: %s", n, total, text)
	if total < 0 {
		line = fmt.Sprintf("%d %s", n, text)
	}
	if now.Before(p.lineAt) || line == p.last {
		return
	}
	p.lineAt, p.last = now.Add(lineEvery), line
	fmt.Fprintln(p.w, line)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
