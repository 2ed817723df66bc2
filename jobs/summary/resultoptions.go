package summary

import (
	"fmt"

	"shotline/jobs"
	"shotline/jobs/number"
)

// OptionError says that an option of results cannot be used with their format.
type OptionError struct {
	Option string // format, excel or delimiter
	Text   string
}

func (e *OptionError) Error() string { return e.Option + " " + e.Text }

// Check returns an *OptionError if the options cannot be used together.
func (r Results) Check() error {
	switch {
	case r.Excel && r.Format != CSV && r.Format != TSV:
		return &OptionError{"excel", fmt.Sprintf("is for csv and tsv, not for %s", r.Format)}
	case r.Delimiter != "" && r.Format != CSV:
		return &OptionError{"delimiter", fmt.Sprintf("is for csv, not for %s", r.Format)}
	}
	return nil
}

// CheckRows returns an *OptionError if a sheet of the format has too few rows for
// the batch.
func (r Results) CheckRows(b jobs.Batch) error {
	rows := b.Counts.Rows
	if len(r.States) > 0 {
		rows = 0
		for _, state := range r.States {
			rows += b.Counts.Of(state)
		}
	}
	if r.Format == XLSX && rows >= maxSheetRows {
		return &OptionError{"format", tooManyRows}
	}
	return nil
}

var tooManyRows = fmt.Sprintf("xlsx has at most %s rows: write csv, or only rows in some states", number.Grouped(maxSheetRows-1))

// ParseDelimiter returns the delimiter that a text means: itself, or its name
// comma, semicolon, pipe or tab. Results can have the delimiters that inputs can
// have, because results are input again.
func ParseDelimiter(text string) (delimiter string, ok bool) {
	delimiter, ok = delimiters[text]
	return delimiter, ok
}

var delimiters = map[string]string{
	",": ",", ";": ";", "|": "|", "\t": "\t", `\t`: "\t",
	"comma": ",", "semicolon": ";", "pipe": "|", "tab": "\t",
}
