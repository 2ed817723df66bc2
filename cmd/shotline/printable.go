package main

import (
	"math"
	"strings"

	"shotline/jobs/summary"
)

// printable makes text of unknown origin fit for a terminal: one line, without
// control characters.
func printable(text string) string { return summary.Plain(text, math.MaxInt) }

// message makes one line of an error's text. Errors that were joined stand on
// lines of their own there.
func message(text string) string { return printable(strings.ReplaceAll(text, "\n", "; ")) }
