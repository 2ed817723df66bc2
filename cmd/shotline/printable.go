package main

import (
	"fmt"
	"math"
	"strings"

	"shotline/jobs/summary"
)

// printable makes text of unknown origin fit for a terminal: one line, without
// control characters.
func printable(text string) string { return summary.PlainLine(text, math.MaxInt) }

// message makes one line of an error's text. Errors that were joined stand on
// lines of their own there.
func message(text string) string { return printable(strings.ReplaceAll(text, "\n", "; ")) }

// plural writes a number of things.
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "y"):
		what = strings.TrimSuffix(what, "y") + "ie"
	case strings.HasSuffix(what, "ch"):
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
