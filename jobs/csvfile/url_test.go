package csvfile_test

import (
	"strings"
	"testing"

	"shotline/jobs/csvfile"
)

// URLs are read as browsers read them, in tables and in lists. A row whose URL is
// rejected keeps the text, and the cells of a table never change.
func TestURLs(t *testing.T) {
	type row struct{ cell, url, reject string }
	for _, file := range []struct {
		name, header string
		rows         []row
	}{
		{"escapes", "url", []row{
			{cell: "https://example.com/wiki/AC%2FDC – live", url: "https://example.com/wiki/AC%2FDC%20%E2%80%93%20live"},
			{cell: "https://example.com/wiki/AC/DC – live", url: "https://example.com/wiki/AC/DC%20%E2%80%93%20live"},
			{cell: "https://example.com/files/a%2Bb c.pdf", url: "https://example.com/files/a%2Bb%20c.pdf"},
			{cell: "https://example.com/50%-off", url: "https://example.com/50%-off"},
			{cell: "https://example.com/My Report.pdf", url: "https://example.com/My%20Report.pdf"},
		}},
		{"ports", "", []row{
			{cell: "192.0.2.10", url: "https://192.0.2.10/"},
			{cell: "192.0.2.10:80", url: "http://192.0.2.10/"},
			{cell: "192.0.2.10:443", url: "https://192.0.2.10/"},
			{cell: "example.com:80/a", url: "http://example.com/a"},
			{cell: "example.com:8080", url: "https://example.com:8080/"},
			{cell: "[2001:db8::1]:80", url: "http://[2001:db8::1]/"},
			{cell: "tel:911", url: "tel:911", reject: "only http and https"},
		}},
		{"invisible characters in a table", "url", []row{
			{cell: "\u00a0https://example.com/1\u00a0", url: "https://example.com/1"},
			{cell: "https://example.com/2\u200b", url: "https://example.com/2"},
			{cell: "\u200bhttps://example.com/3", url: "https://example.com/3"},
			{cell: "https://example.com/4\u00ad", url: "https://example.com/4"},
			{cell: "https://example.com/5\ufeff", url: "https://example.com/5"},
			{cell: "\u202ahttps://example.com/6\u202c", url: "https://example.com/6"},
		}},
		{"invisible characters in a list", "", []row{
			{cell: "\ufeffhttps://example.com/1", url: "https://example.com/1"},
			{cell: "  https://example.com/2  ", url: "https://example.com/2"},
			{cell: "\u200b https://example.com/3", url: "https://example.com/3"},
			{cell: "file:///etc/hosts", url: "file:///etc/hosts", reject: "only http and https"},
			{cell: "ftp://example.com/x", url: "ftp://example.com/x", reject: "only http and https"},
			{cell: "\ufeffhttps://example.com/4", url: "https://example.com/4"},
		}},
		{"schemes", "url", []row{
			{cell: "http://http://example.com/", url: "http://http://example.com/", reject: "the scheme occurs twice"},
			{cell: "https://https//example.com", url: "https://https//example.com", reject: "the scheme occurs twice"},
			{cell: "http//example.com/", url: "http//example.com/", reject: "want http://"},
			{cell: "http:/example.com/", url: "http:/example.com/", reject: "two slashes"},
			{cell: "https:example.com", url: "https:example.com", reject: "two slashes"},
			{cell: "http:///example.com", url: "http://example.com/"},
		}},
		{"brackets and spaces in a list", "", []row{
			{cell: "<https://example.com/1>", url: "https://example.com/1"},
			{cell: "https://example.com/My Report.pdf", url: "https://example.com/My Report.pdf", reject: "not only a URL"},
			{cell: `https://example.com/?q="><b>`, url: "https://example.com/?q=%22%3E%3Cb%3E"},
		}},
		{"hosts", "url", []row{
			{cell: "https://bücher.example/", url: "https://xn--bcher-kva.example/"},
			{cell: "HTTPS://XN--BCHER-KVA.example", url: "https://xn--bcher-kva.example/"},
		}},
	} {
		t.Run(file.name, func(t *testing.T) {
			var text strings.Builder
			if file.header != "" {
				text.WriteString(file.header + "\n")
			}
			for _, row := range file.rows {
				text.WriteString(row.cell + "\n")
			}
			columns, requests := readAll(t, text.String(), false)
			if len(requests) != len(file.rows) || (columns == nil) != (file.header == "") {
				t.Fatalf("columns %q, %d rows", columns, len(requests))
			}
			for i, want := range file.rows {
				got := requests[i]
				if got.URL != want.url || (got.Reject == "") != (want.reject == "") || !strings.Contains(got.Reject, want.reject) {
					t.Errorf("%q became %q, %q; want %q, %q", want.cell, got.URL, got.Reject, want.url, want.reject)
				}
				if columns != nil && got.Cells[0] != want.cell {
					t.Errorf("the cell %q became %q", want.cell, got.Cells[0])
				}
				// The API and the engine do the same.
				if file.header != "" {
					one, _ := csvfile.Fields{URL: want.cell}.Request()
					if one.URL != got.URL || one.Reject != got.Reject {
						t.Errorf("as a field, %q became %q, %q; want %q, %q", want.cell, one.URL, one.Reject, got.URL, got.Reject)
					}
				}
			}
		})
	}
}
