package artifact

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
)

// byteOrderMark tells spreadsheets that a table is in UTF-8.
const byteOrderMark = "\ufeff"

// tableHeader are the columns of manifest.csv.
var tableHeader = []string{"job", "row", "line", "url", "output", "shot", "file", "bytes", "type", "screenshot", "attempt", "state", "error"}

// writeTable writes the entries as a table for people. Programs should read
// manifest.jsonl.
func (m *Manifest) writeTable(w io.Writer) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	err := out.Write(tableHeader)
	if err == nil {
		err = m.Entries(func(e Entry) error { return out.Write(e.cells()) })
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

func (e Entry) cells() []string {
	line, size := "", ""
	if e.Line > 0 {
		line = strconv.Itoa(e.Line)
	}
	if e.File != "" {
		size = strconv.FormatInt(e.Bytes, 10)
	}
	return []string{
		e.Job.String(), strconv.FormatInt(e.Row, 10), line, asText(e.URL), string(e.Output), strconv.Itoa(e.Shot), asText(e.File), size,
		asText(e.Type), asText(e.Screenshot), strconv.Itoa(e.Attempt), string(e.State), asText(e.Error),
	}
}

// asText puts an apostrophe before a text that a spreadsheet would interpret as a
// formula.
func asText(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
