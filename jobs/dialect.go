package jobs

// Dialect is how a table is written as text. The zero Dialect is comma-separated,
// without a byte order mark, with lines that end in a line feed.
type Dialect struct {
	Delimiter string `json:"delimiter,omitempty"` // one character between two cells; empty: a comma
	BOM       bool   `json:"bom,omitempty"`       // the text begins with a byte order mark
	CRLF      bool   `json:"crlf,omitempty"`      // lines end with a carriage return and a line feed
}

// Comma returns the character between two cells.
func (d Dialect) Comma() string {
	if d.Delimiter == "" {
		return ","
	}
	return d.Delimiter
}
