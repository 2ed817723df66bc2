package csvfile

import "fmt"

// Bounds of the JSON of one row. What is small in the file may be large in
// memory: a megabyte of empty objects takes fifty.
const (
	maxValues = 10_000
	maxDepth  = 100
)

// CheckJSON bounds what a JSON text takes in memory, before it is decoded. It
// does not look whether it is JSON.
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
