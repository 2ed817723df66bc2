package csvfile

import (
	"bytes"

	"shotline/jobs"
)

// dialect returns how the file is written. The beginning of the file must still be
// in the buffer.
func (r *records) dialect(found layout) jobs.Dialect {
	d := jobs.Dialect{BOM: bytes.HasPrefix(r.buf, byteOrderMark)}
	if found.comma != noComma && found.comma != ',' {
		d.Delimiter = string(found.comma)
	}
	// Cells of the header can contain line ends of another kind, so the end of the
	// header decides.
	end := found.first.at
	if found.header == nil || end == 0 {
		end = endOfLine(r.buf, true)
	}
	d.CRLF = bytes.HasSuffix(r.buf[:end], []byte("\r\n"))
	return d
}
