package sandbox

import (
	"bytes"
	"fmt"
	"html"
	"net/url"
	"strings"
)

// plainHTML returns the HTML of a placeholder.
func plainHTML(u *url.URL) []byte {
	host, address := html.EscapeString(u.Host), html.EscapeString(u.String())
	return fmt.Appendf(nil, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s</title></head><body><h1>%s</h1><p>%s</p></body></html>\n",
		host, host, address)
}

// plainPDF returns a PDF with one page that shows the URL.
func plainPDF(u *url.URL, o PDFOptions) []byte {
	sizes := map[string][2]int{"a3": {842, 1191}, "a4": {595, 842}, "a5": {420, 595}, "legal": {612, 1008}, "letter": {612, 792}, "tabloid": {792, 1224}}
	size := sizes[orElse(o.Format, "a4")]
	if o.Landscape {
		size[0], size[1] = size[1], size[0]
	}
	printable := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune(`()\`, c) {
			return '.'
		}
		return c
	}, u.String())
	content := fmt.Sprintf("BT /F1 12 Tf 40 %d Td (%s) Tj ET", size[1]-60, printable)
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>", size[0], size[1]),
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	} {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, table)
	return out.Bytes()
}
