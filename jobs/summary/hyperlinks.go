package summary

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Limits of Excel on links, and one on their size, because they are kept in
// memory. Cells beyond the limits are plain text.
const (
	maxLinks     = excelize.TotalSheetHyperlinks
	maxLinkText  = 2079
	maxLinkBytes = 16 << 20
)

// The parts of the archive with the only sheet and with the addresses of its
// links.
const (
	sheetPart = "xl/worksheets/sheet1.xml"
	linksPart = "xl/worksheets/_rels/sheet1.xml.rels"
)

// linkPlaceholder is the cell and the target of a link that stands in the sheet
// until the archive is written. excelize needs time that grows with the square of
// the number of links, so the others do not go through it.
const linkPlaceholder = "A1"

// placeholderXML is how excelize writes the placeholder. Cells cannot contain it,
// because they are escaped.
const placeholderXML = `<hyperlinks><hyperlink ref="` + linkPlaceholder + `" location="` + linkPlaceholder + `"></hyperlink></hyperlinks>`

// linkList are the links of a sheet.
type linkList struct {
	cells     []string
	addresses []string
	bytes     int
}

func (l *linkList) any() bool { return len(l.cells) > 0 }

// add adds a link from a cell. It returns false if the address is not a web
// address, or if a limit is reached.
func (l *linkList) add(cell, address string) bool {
	isWeb := strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
	if !isWeb || len(address) > maxLinkText || len(l.cells) == maxLinks || l.bytes+len(address) > maxLinkBytes {
		return false
	}
	l.cells = append(l.cells, cell)
	l.addresses = append(l.addresses, address)
	l.bytes += len(address)
	return true
}

// writeCells writes the element of the sheet that names the cells.
func (l *linkList) writeCells(w io.Writer) error {
	var out strings.Builder
	out.WriteString("<hyperlinks>")
	for i, cell := range l.cells {
		out.WriteString(`<hyperlink ref="` + cell + `" r:id="rId` + strconv.Itoa(i+1) + `"/>`)
	}
	out.WriteString("</hyperlinks>")
	_, err := io.WriteString(w, out.String())
	return err
}

// writeAddresses writes the part with the addresses.
func (l *linkList) writeAddresses(w io.Writer) error {
	_, err := io.WriteString(w, xml.Header+`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i, address := range l.addresses {
		if err != nil {
			return err
		}
		var escaped bytes.Buffer
		_ = xml.EscapeText(&escaped, []byte(address)) // a Buffer returns no errors
		_, err = fmt.Fprintf(w, `<Relationship Id="rId%d" Type="%s" Target="%s" TargetMode="External"/>`,
			i+1, excelize.SourceRelationshipHyperLink, escaped.Bytes())
	}
	if err == nil {
		_, err = io.WriteString(w, `</Relationships>`)
	}
	return err
}

// archive is the ZIP archive of a workbook with links.
type archive struct {
	*zip.Writer
	links *linkList
	sheet *sheetWriter
}

func newArchive(w io.Writer, links *linkList) *archive {
	return &archive{Writer: zip.NewWriter(w), links: links}
}

// Create implements excelize.ZipWriter.
func (a *archive) Create(name string) (io.Writer, error) {
	part, err := a.Writer.Create(name)
	if err == nil && name == sheetPart {
		a.sheet = &sheetWriter{out: part, links: a.links}
		return a.sheet, nil
	}
	return part, err
}

// Close implements excelize.ZipWriter.
func (a *archive) Close() error {
	if a.links.any() {
		if a.sheet == nil || !a.sheet.replaced {
			return fmt.Errorf("the sheet has no place for its %d links", len(a.links.cells))
		}
		part, err := a.Writer.Create(linksPart)
		if err != nil {
			return err
		}
		if err := a.links.writeAddresses(part); err != nil {
			return err
		}
	}
	return a.Writer.Close()
}

// sheetWriter replaces the placeholder by the links.
type sheetWriter struct {
	out      io.Writer
	links    *linkList
	held     []byte // the end of what was written, which might be the beginning of the placeholder
	written  int64
	replaced bool
}

// Write implements io.Writer. The placeholder is followed by more text, so what is
// held back at the end of the sheet is never lost.
func (s *sheetWriter) Write(p []byte) (int, error) {
	s.written += int64(len(p))
	if s.written > math.MaxUint32 {
		return 0, fmt.Errorf("the sheet has more than 4 GiB: write csv")
	}
	if s.replaced || !s.links.any() {
		return s.out.Write(p)
	}
	data := append(s.held, p...)
	if before, after, found := bytes.Cut(data, []byte(placeholderXML)); found {
		s.replaced = true
		if _, err := s.out.Write(before); err != nil {
			return 0, err
		}
		if err := s.links.writeCells(s.out); err != nil {
			return 0, err
		}
		_, err := s.out.Write(after)
		return len(p), err
	}
	ready := max(0, len(data)-len(placeholderXML)+1)
	if _, err := s.out.Write(data[:ready]); err != nil {
		return 0, err
	}
	s.held = append(s.held[:0], data[ready:]...)
	return len(p), nil
}
