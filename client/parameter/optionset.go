package parameter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OptionSet returns a text that is the same for creates that should cost the same.
// It contains the names of all parameters, and the values of those that are
// numbers, booleans, countries or one of a few known values. Other values, such as
// selectors, cookies or scripts, differ from row to row and should not change the
// cost.
func OptionSet(params map[string]any) string {
	parts := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		p, known := Lookup(name)
		part := name
		if known && (p.Values != nil || p.Name == "country" || p.Kind == Boolean || p.Kind == Number || p.Kind == Whole) {
			part += fmt.Sprintf("=%v", params[name])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}
