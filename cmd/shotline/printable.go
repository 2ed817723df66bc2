package main

import (
	"math"

	"shotline/jobs/summary"
)

// printable makes text of unknown origin fit for a terminal: one line, without
// control characters.
func printable(text string) string { return summary.Plain(text, math.MaxInt) }
