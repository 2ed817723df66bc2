package parameter

import (
	"slices"
	"strings"
)

// ordinary are words that differ by one letter from a parameter and are common
// names of columns.
var ordinary = []string{
	"weight", "county", "reader", "leader", "shops", "shoes", "slots", "spots", "shows", "stops", "shot", "step", "with",
	"relay", "formal", "former", "dates", "cachet", "cooked", "heights", "widths", "countries",
}

// Nearest returns the known parameter that a name probably means, or an empty
// text. A name that is known or reserved has none. Short names have none either,
// because too many words resemble them.
func Nearest(name string) string {
	given := fold(name)
	const longest = 40 // no parameter has such a long name
	if _, found := Lookup(given); found || Reserved(given) != "" || len(given) < 4 || len(given) > longest || slices.Contains(ordinary, given) {
		return ""
	}
	best, least := "", 3
	for _, p := range table {
		if p.Reserved != "" || len(p.Name) < 5 {
			continue
		}
		if letters(given) == letters(p.Name) { // screen-width, Screen Width
			return p.Name
		}
		most := 1
		if len(p.Name) >= 8 {
			most = 2
		}
		if d := distance(given, p.Name); d <= most && d < least {
			best, least = p.Name, d
		}
	}
	return best
}

// letters removes the separators from a name.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-.", r) {
			return -1
		}
		return r
	}, name)
}

// distance returns the number of bytes to insert, delete or replace, or of
// neighbors to exchange, to get from a to b.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replaced := row[j]
			if a[i] != b[j] {
				replaced++
			}
			next[j+1] = min(replaced, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// Advice returns what to tell somebody who gave this name for a parameter: that
// it is not known and resembles a known one. It is empty if there is nothing to
// say.
func Advice(name string) string {
	near := Nearest(name)
	if near == "" {
		return ""
	}
	return "sent, but not a documented parameter; did you mean " + near + "?"
}
