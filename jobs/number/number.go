// Package number writes numbers with their nouns: "1 row", "2,000 rows".
package number

import (
	"strconv"
	"strings"
)

// integer are the types of counts.
type integer interface{ ~int | ~int64 }

// Grouped formats 1234567 as 1,234,567.
func Grouped[T integer](n T) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Of formats a number with its noun, which is given in the singular.
func Of[T integer](n T, noun string) string { return Grouped(n) + " " + Noun(n, noun) }

// Noun returns the singular of a noun for 1, and its plural for other numbers.
func Noun[T integer](n T, noun string) string {
	if n == 1 {
		return noun
	}
	if stem, is := strings.CutSuffix(noun, "y"); is {
		return stem + "ies"
	}
	if strings.HasSuffix(noun, "ch") {
		return noun + "es"
	}
	return noun + "s"
}
