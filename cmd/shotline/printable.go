package main

import (
	"math"
	"strings"

	"shotline/jobs/summary"
)

// printable returns text of unknown origin as one line without control
// characters, so that it is safe to print on a terminal.
func printable(text string) string { return summary.PlainLine(text, math.MaxInt) }

// message returns the text of an error as one line. Joined errors have several.
func message(text string) string { return printable(strings.ReplaceAll(text, "\n", "; ")) }
