package summary

import (
	"bufio"
	"io"
	"strings"

	"shotline/jobs"
)

// recordWriter writes records in a dialect. The package does not use encoding/csv
// because that changes the line ends inside cells if it writes CRLF.
type recordWriter struct {
	out     *bufio.Writer
	dialect jobs.Dialect
	special string // characters because of which a cell is quoted
}

func newRecordWriter(w io.Writer, d jobs.Dialect) *recordWriter {
	out := bufio.NewWriter(w)
	if d.BOM {
		_, _ = out.WriteString("\ufeff") // flush returns the error
	}
	return &recordWriter{out: out, dialect: d, special: d.Comma() + "\"\r\n"}
}

func (w *recordWriter) write(cells []string) error {
	for i, cell := range cells {
		if i > 0 {
			_, _ = w.out.WriteString(w.dialect.Comma())
		}
		w.writeCell(cell)
	}
	if w.dialect.CRLF {
		_ = w.out.WriteByte('\r')
	}
	return w.out.WriteByte('\n') // an error of the writes above is kept and returned here
}

func (w *recordWriter) writeCell(cell string) {
	// Some readers remove spaces in front of a cell that is not quoted.
	if !strings.ContainsAny(cell, w.special) && !strings.HasPrefix(cell, " ") && !strings.HasPrefix(cell, "\t") {
		_, _ = w.out.WriteString(cell)
		return
	}
	_ = w.out.WriteByte('"')
	_, _ = w.out.WriteString(strings.ReplaceAll(cell, `"`, `""`))
	_ = w.out.WriteByte('"')
}

func (w *recordWriter) flush() error { return w.out.Flush() }
