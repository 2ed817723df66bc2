package summary

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"shotline/jobs"
	"shotline/jobs/number"
)

// label returns the name of a state for users.
func label(s jobs.State) string { return strings.ReplaceAll(string(s), "_", " ") }

// credits formats a cost for programs, without floating-point noise.
func credits(cost float64) string {
	return strconv.FormatFloat(math.Round(cost*1e4)/1e4, 'f', -1, 64)
}

// groupedCredits formats a cost for people: 1,234.5.
func groupedCredits(cost float64) string {
	whole, part, hasPart := strings.Cut(credits(cost), ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		whole = number.Grouped(n)
	}
	if hasPart {
		part = "." + part
	}
	return whole + part
}

// Credits formats a cost with its unit.
func Credits(cost float64) string {
	text := groupedCredits(cost)
	if text == "1" {
		return "1 credit"
	}
	return text + " credits"
}

// rate formats a throughput with its significant digits only.
func rate(perMinute float64) string {
	if perMinute < 10 {
		return strconv.FormatFloat(math.Round(perMinute*10)/10, 'f', -1, 64)
	}
	return number.Grouped(int64(math.Round(perMinute)))
}

// span formats a number of seconds with at most two units: 0.84 s, 12.3 s, 2 min
// 14 s, 3 h 05 min, 4 d 6 h.
func span(seconds float64) string {
	switch {
	case seconds < 10:
		return strconv.FormatFloat(math.Round(seconds*100)/100, 'f', -1, 64) + " s"
	case seconds < 59.95:
		return strconv.FormatFloat(math.Round(seconds*10)/10, 'f', -1, 64) + " s"
	}
	whole := int64(math.Round(seconds))
	switch {
	case whole < 3600:
		return units(whole, 60, " min ", " s")
	case whole < 86400:
		return units(whole/60, 60, " h ", " min")
	default:
		return strconv.FormatInt(whole/86400, 10) + " d " + strconv.FormatInt(whole%86400/3600, 10) + " h"
	}
}

func units(n, per int64, large, small string) string {
	rest := strconv.FormatInt(n%per, 10)
	if len(rest) < 2 {
		rest = "0" + rest
	}
	return strconv.FormatInt(n/per, 10) + large + rest + small
}

// moment formats a time for users.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") }

// Place names a row of a batch: by its number in the batch, and by its line in
// the input if it has one.
func Place(row int64, line int) string {
	if line > 0 {
		return "row " + strconv.FormatInt(row, 10) + ", line " + strconv.Itoa(line)
	}
	return "row " + strconv.FormatInt(row, 10)
}

// PlainLine converts text from outside to one printable line of at most width
// characters. Without it, a web page could send control sequences to the user's
// terminal.
func PlainLine(text string, width int) string {
	var b strings.Builder
	gap := false
	for _, r := range text {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(r)
	}
	runes := []rune(b.String())
	if len(runes) <= width {
		return string(runes)
	}
	return string(runes[:width-1]) + "…"
}
