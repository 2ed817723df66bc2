package summary

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"shotline/jobs"
	"shotline/jobs/number"
)

// Widths of the terminal summary, which fits into 80 columns.
const (
	barWidth    = 30
	lineWidth   = 80
	reasonWidth = 240 // of a reason, over several lines
)

// TextOption changes the output of WriteText.
type TextOption func(*textWriter)

// Colored adds ANSI colors, for terminals that support them.
func Colored() TextOption { return func(t *textWriter) { t.colored = true } }

// WriteText writes a summary for a terminal of at least 80 columns. It removes
// control characters from text from outside.
func WriteText(w io.Writer, s Summary, options ...TextOption) error {
	out := bufio.NewWriter(w)
	t := &textWriter{out: out}
	for _, option := range options {
		option(t)
	}
	t.heading(s)
	t.states(s)
	t.facts(s)
	t.reasons(s)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write summary of %s: %w", s.BatchID, err)
	}
	return nil
}

// textWriter writes the parts of a summary. Its buffer keeps the first error.
type textWriter struct {
	out     *bufio.Writer
	colored bool
}

func (t *textWriter) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

func (t *textWriter) heading(s Summary) {
	t.printf("%s  %s", t.paint("1", "Batch "+s.BatchID), t.paint(batchColor(s), string(s.State)))
	if s.Revision > 1 {
		t.printf(", changed after its first end")
	}
	t.printf("\n")
	if s.PauseReason != "" {
		t.printf("Paused: %s\n", PlainLine(s.PauseReason, lineWidth-len("Paused: ")))
	}
	facts := []string{number.Of(s.Rows, "row")}
	if s.Source != "" {
		facts[0] += " from " + PlainLine(s.Source, 40)
	}
	if s.DurationSeconds > 0 {
		facts = append(facts, span(s.DurationSeconds))
	}
	if s.PerMinute > 0 {
		facts = append(facts, rate(s.PerMinute)+" a minute")
	}
	t.printf("%s\n\n", strings.Join(facts, " · "))
}

func (t *textWriter) states(s Summary) {
	width := len(number.Grouped(s.Rows))
	for _, state := range jobs.States {
		n := s.Of(state)
		if n == 0 && state != jobs.Done && state != jobs.Failed {
			continue
		}
		share := 0.0
		if s.Rows > 0 {
			share = float64(n) / float64(s.Rows)
		}
		t.printf("  %-10s  %*s  %s  %7s\n", label(state), width, number.Grouped(n),
			t.paint(stateColor(state), bar(share)), percent(share))
	}
	t.printf("\n")
}

func (t *textWriter) facts(s Summary) {
	var provenances []string
	for _, p := range jobs.Provenances {
		if n := s.ClosedBy[p]; n > 0 {
			provenances = append(provenances, string(p)+" "+number.Grouped(n))
		}
	}
	if len(provenances) > 0 {
		t.fact("closed by", strings.Join(provenances, " · "))
	}
	if d := s.Timings; d != nil {
		t.fact("time", fmt.Sprintf("half within %s · 95 %% within %s", span(d.P50), span(d.P95)))
		t.fact("", fmt.Sprintf("mean %s · from %s to %s", span(d.Mean), span(d.Min), span(d.Max)))
	}
	cost := "not known"
	if s.Cost != nil {
		cost = Credits(*s.Cost)
	}
	t.fact("cost", cost+" · "+number.Of(s.APICalls, "API call"))
	if s.Late > 0 {
		t.fact("late", number.Of(s.Late, "result")+" arrived after the job was closed")
	}
	if s.Corrected > 0 {
		t.fact("corrected", number.Of(s.Corrected, "job")+" after contradictory results, confirmed by the vendor")
	}
	if s.DoubleCharged > 0 {
		t.fact("paid twice", number.Of(s.DoubleCharged, "screenshot")+" more than requested")
	}
}

func (t *textWriter) fact(name, text string) { t.printf("  %-10s  %s\n", name, text) }

func (t *textWriter) reasons(s Summary) {
	if len(s.Reasons) == 0 {
		return
	}
	t.printf("\n%s\n\n", t.paint("1", "Without an image"))
	countWidth, rowWidth := 0, 0
	others := s.Failed + s.TimedOut + s.Canceled + s.Rejected
	for _, r := range s.Reasons {
		others -= r.Count
		countWidth = max(countWidth, len(number.Grouped(r.Count)))
		rowWidth = max(rowWidth, utf8.RuneCountInString(rowOf(r)))
	}
	indent := 2 + countWidth + 2 + len("timed out") + 2 + rowWidth + 2
	for _, r := range s.Reasons {
		text := PlainLine(r.Error, reasonWidth)
		if text == "" {
			text = "no reason given"
		}
		t.printf("  %*s  %s  %-*s  ", countWidth, number.Grouped(r.Count),
			t.paint(stateColor(r.State), fmt.Sprintf("%-9s", label(r.State))), rowWidth, rowOf(r))
		for i, line := range Wrapped(text, lineWidth-indent) {
			if i > 0 {
				t.printf("%*s", indent, "")
			}
			t.printf("%s\n", line)
		}
	}
	if others > 0 {
		t.printf("\n  and %s for other reasons: shotline results %s\n", number.Of(others, "row"), s.BatchID)
	}
}

// rowOf returns the location of the first row of a group. Dots are added if there
// are more rows.
func rowOf(r Reason) string {
	name := Place(r.FirstJob.Row, r.Line)
	if r.Count > 1 {
		name += " …"
	}
	return name
}

// Wrapped splits text at spaces into lines of at most width characters. A longer
// word stays whole.
func Wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// bar draws a share as a bar of barWidth. A share above zero has at least one
// block.
func bar(share float64) string {
	n := int(math.Round(share * barWidth))
	if share > 0 {
		n = max(n, 1)
	}
	return strings.Repeat("█", n) + strings.Repeat("·", barWidth-n)
}

// percent formats a share. It rounds to 0 or 100 only if the share is exactly
// that.
func percent(share float64) string {
	switch {
	case share > 0 && share < 0.001:
		return "<0.1 %"
	case share < 1 && share > 0.999:
		return ">99.9 %"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

func (t *textWriter) paint(color, text string) string {
	if !t.colored {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func batchColor(s Summary) string {
	switch s.State {
	case jobs.BatchFinished:
		return "32"
	case jobs.BatchPaused:
		return "33"
	}
	return "36"
}

func stateColor(s jobs.State) string {
	switch s {
	case jobs.Done:
		return "32"
	case jobs.Failed, jobs.TimedOut, jobs.Rejected:
		return "31"
	case jobs.Canceled:
		return "33"
	case jobs.Duplicate:
		return "2"
	}
	return "36"
}
