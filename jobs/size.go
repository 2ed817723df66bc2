package jobs

import "encoding/json"

// Size returns roughly how many bytes of memory the request takes.
func (r Request) Size() int {
	size := len(r.URL) + len(r.Reject) + sizeOf(map[string]any(r.Params))
	for _, texts := range [][]string{r.Tags, r.Cells} {
		for _, text := range texts {
			size += sizeOf(text)
		}
	}
	for name, value := range r.Metadata {
		size += sizeOf(name) + sizeOf(value)
	}
	return size
}

// sizeOf returns the size of a value that encoding/json decodes. Small values
// count too.
func sizeOf(value any) int {
	const word = 16
	size := word
	switch v := value.(type) {
	case string:
		size += len(v)
	case json.Number:
		size += len(v)
	case []any:
		for _, item := range v {
			size += sizeOf(item)
		}
	case map[string]any:
		size += 2 * word
		for name, item := range v {
			size += word + len(name) + sizeOf(item)
		}
	}
	return size
}
