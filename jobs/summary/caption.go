package summary

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"shotline/jobs"
)

// captionWidth is the maximum length of the value of a caption in characters.
const captionWidth = 200

// MaxCaptions is the maximum number of captions of a card.
const MaxCaptions = 6

// CheckCaptions returns an error unless all names are columns of the batch,
// ignoring case. If the batch has no columns, the names are those of metadata, and
// every name is valid.
func CheckCaptions(b jobs.Batch, names []string) error {
	if len(names) > MaxCaptions {
		return fmt.Errorf("%d captions: want at most %d", len(names), MaxCaptions)
	}
	for _, name := range names {
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("an empty name: want names of columns, separated by commas")
		}
		if len(b.Columns) > 0 && columnOf(b.Columns, name) < 0 {
			return fmt.Errorf("%q is not a column of the input, which has %s", name, columnList(b.Columns))
		}
	}
	return nil
}

// columnList returns the names of columns for an error.
func columnList(columns []string) string {
	const most = 20
	var names []string
	for _, c := range columns[:min(len(columns), most)] {
		names = append(names, PlainLine(c, 40))
	}
	text := strings.Join(names, ", ")
	if len(columns) > most {
		text += fmt.Sprintf(" and %d more", len(columns)-most)
	}
	return text
}

func columnOf(columns []string, name string) int {
	return slices.IndexFunc(columns, func(c string) bool { return sameColumn(c, name) })
}

// sameColumn reports whether a and b name the same column.
func sameColumn(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// caption is a column or a field of the metadata that cards show.
type caption struct {
	name   string
	column int // -1: metadata
}

func (p *pageWriter) resolveCaptions() error {
	if len(p.Captions) == 0 {
		return nil
	}
	batch, err := p.src.Batch(p.ctx, p.s.BatchID)
	if err != nil {
		return err
	}
	if err := CheckCaptions(batch, p.Captions); err != nil {
		return err
	}
	for _, name := range p.Captions {
		c := caption{name: strings.TrimSpace(name), column: columnOf(batch.Columns, name)}
		if c.column >= 0 {
			c.name = PlainLine(batch.Columns[c.column], captionWidth)
		}
		p.style.captions = append(p.style.captions, c)
	}
	return nil
}

// value returns the text of a caption for a job.
func (c caption) value(j jobs.Job) string {
	text := ""
	switch {
	case c.column >= 0 && c.column < len(j.Cells):
		text = j.Cells[c.column]
	case c.column >= 0 && j.Cells == nil && sameColumn(c.name, "url"):
		text = j.URL
	case c.column < 0:
		text = metadataText(j.Metadata[c.name])
	}
	if u, ok := webAddress(text); ok && u.User != nil {
		u.User = nil // do not show a password
		text = u.String()
	}
	return PlainLine(text, captionWidth)
}

func metadataText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(value)
}
