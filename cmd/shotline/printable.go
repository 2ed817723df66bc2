package main

import (
	"fmt"
	"math"
	"strings"

	"shotline/jobs/summary"
)

// printable returns text of unknown origin as one line without control
// characters, so that it is safe to print on a terminal.
func printable(text string) string { return summary.PlainLine(text, math.MaxInt) }

// message returns the text of an error as one line. Joined errors have several.
func message(text string) string { return printable(strings.ReplaceAll(text, "\n", "; ")) }

// plural formats a number with a noun, in singular or plural.
func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ie"
	case strings.HasSuffix(noun, "ch"):
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
