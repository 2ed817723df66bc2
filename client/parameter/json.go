package parameter

import "fmt"

// Limits for the JSON of one row. JSON that is small in the file can be large in
// memory: a megabyte of empty objects needs fifty.
const (
	maxValues = 10_000
	maxDepth  = 100
)

// CheckJSON returns an error if decoding a JSON text might need too much memory.
// It does not check whether the text is valid JSON.
func CheckJSON(text []byte) error {
	values, depth, quoted := 1, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			values++
			if depth++; depth > maxDepth {
				return fmt.Errorf("JSON nested deeper than %d levels", maxDepth)
			}
		case c == ']' || c == '}':
			depth--
		case c == ',':
			values++
		}
		if values > maxValues {
			return fmt.Errorf("JSON of more than %d values", maxValues)
		}
	}
	return nil
}
