package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"shotline/jobs/number"
)

const (
	barAfter  = time.Second
	lineEvery = 5 * time.Second
	drawEvery = 50 * time.Millisecond
)

// progress shows the progress of an operation on standard error if it takes
// longer than a second: a bar on a terminal, otherwise a line every few seconds.
type progress struct {
	w      io.Writer
	noun   string // what is counted
	verb   string // what happened to it, after a space
	began  time.Time
	lineAt time.Time
	drawn  time.Time
	bar    *progressbar.ProgressBar
	last   string // the line that was printed last
	latest string // the current line

	predicts    bool  // the text says how much time is left
	before      int64 // what had ended when it began
	savedBefore int64
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	return &progress{w: w, noun: "row", verb: " ended", began: now, lineAt: now.Add(barAfter)}
}

// rows shows how many rows have been read from an input of unknown length.
func (p *progress) rows(n int) { p.show(int64(n), -1, "rows read") }

// files shows how many files are saved and missing, while n of total have ended. It
// shows the time that is left itself: a bar does not know what had ended before.
func (p *progress) files(n, total, saved, missing int64) {
	took := time.Since(p.began)
	text := fmt.Sprintf("%s saved, %.0f/s", number.Of(saved, "file"), float64(saved-p.savedBefore)/took.Seconds())
	p.predicts = true
	parts := []string{text}
	if ended := n - p.before; ended > 0 && n < total {
		parts = append(parts, roundForDisplay(took*time.Duration(total-n)/time.Duration(ended)).String()+" left")
	}
	if missing > 0 {
		parts = append(parts, number.Grouped(missing)+" missing")
	}
	p.show(n, total, parts...)
}

// barWidth is the width of a bar on a terminal of 80 columns, and percentWidth that
// of the percentage and of the spaces around it.
const (
	barWidth     = 10
	percentWidth = 9
)

// show shows that n of total have ended. On a terminal it leaves out the last parts
// of the text if they do not fit into the line.
func (p *progress) show(n, total int64, parts ...string) {
	now := time.Now()
	if now.Sub(p.began) < barAfter {
		return
	}
	if out, ok := p.w.(*screen); ok && out.terminal {
		if now.Sub(p.drawn) < drawEvery {
			return
		}
		p.drawn = now
		columns := out.columns()
		bar := barWidth * columns / defaultColumns
		text := fit(parts, columns-bar-percentWidth-len(fmt.Sprintf("(%d/%d)", total, total)))
		if p.bar == nil {
			p.bar = progressbar.NewOptions64(total,
				progressbar.OptionSetWriter(out.w), progressbar.OptionSetWidth(bar), progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(!p.predicts), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
		}
		// Errors are ignored: the bar is only for display.
		out.draw(func() {
			p.bar.Describe(text)
			_ = p.bar.Set64(n)
		}, func() { _ = p.bar.Clear() })
		return
	}
	text := strings.Join(parts, ", ")
	line := fmt.Sprintf("%s of %s%s: %s", number.Grouped(n), number.Of(total, p.noun), p.verb, text)
	if total < 0 {
		line = fmt.Sprintf("%s %s", number.Grouped(n), text)
	}
	p.latest = line
	if now.Before(p.lineAt) || line == p.last {
		return
	}
	p.lineAt, p.last = now.Add(lineEvery), line
	fmt.Fprintln(p.w, line)
}

// end removes the bar, or prints the last line if it has not been printed. It can
// be called again.
func (p *progress) end() {
	if out, ok := p.w.(*screen); ok && p.bar != nil {
		out.draw(func() { _ = p.bar.Clear() }, nil)
	}
	if p.bar == nil && p.last != "" && p.latest != p.last {
		p.last = p.latest
		fmt.Fprintln(p.w, p.latest)
	}
}
