package csvfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs/csvfile"
)

// read reads a file and returns a line "LINE URL" or "LINE URL: reason" for each
// row.
func read(t *testing.T, text, urlColumn string) (columns, rows, notes []string, err error) {
	t.Helper()
	r, err := csvfile.Open(strings.NewReader(text), csvfile.Options{URLColumn: urlColumn})
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Columns(), rows, r.Notes(), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		row := fmt.Sprint(request.Line, " ", request.URL)
		if request.Reject != "" {
			reason, _, _ := strings.Cut(request.Reject, ":")
			row += ": " + reason
		}
		rows = append(rows, row)
	}
}

// TestLayouts checks the separator, the header and the URL column of files.
func TestLayouts(t *testing.T) {
	for _, tt := range []struct {
		name, text, urlColumn string
		columns, rows, notes  []string
	}{
		// The name of the URL column.
		{name: "a crawler's export", text: "\"Address\",\"Content Type\",\"Status Code\",\"Status\"\n\"https://a.example/\",\"text/html\",\"200\",\"OK\"\n\"https://a.example/b\",\"text/html\",\"200\",\"OK\"\n",
			columns: []string{"Address", "Content Type", "Status Code", "Status"}, rows: []string{"2 https://a.example/", "3 https://a.example/b"},
			notes: []string{`column "Address": taken as the URLs`}},
		{name: "a postal address is not a URL", text: "Name,Address,Website\nA,\"Main Street 1\",a.example\nB,Side Street 2,b.example\n",
			columns: []string{"Name", "Address", "Website"}, rows: []string{"2 https://a.example/", "3 https://b.example/"},
			notes: []string{`column "Website": taken as the URLs`}},
		{name: "pages in French", text: "Pages les plus populaires,Clics,CTR\nhttps://a.example/,100974,3.53%\nhttps://a.example/auto,38992,2.07%\n",
			columns: []string{"Pages les plus populaires", "Clics", "CTR"}, rows: []string{"2 https://a.example/", "3 https://a.example/auto"},
			notes: []string{`column "Pages les plus populaires": taken as the URLs`}},
		{name: "pages in a language without a name here", text: "Faqet,Klikime\nhttps://a.example/,1\nhttps://a.example/b,2\n",
			columns: []string{"Faqet", "Klikime"}, rows: []string{"2 https://a.example/", "3 https://a.example/b"},
			notes: []string{`column "Faqet": taken as the URLs`}},
		{name: "hosts", text: "GlobalRank,TldRank,Domain,TLD,RefIPs\n1,1,a.example,example,1\n2,2,b.example,example,1\n",
			columns: []string{"GlobalRank", "TldRank", "Domain", "TLD", "RefIPs"}, rows: []string{"2 https://a.example/", "3 https://b.example/"},
			notes: []string{`column "Domain": taken as the URLs`}},
		{name: "url comes before other names", text: "Title\turl\tTarget URL\tLink\nA\thttps://a.example/\thttps://shop.example/\thttps://c.example/\n",
			columns: []string{"Title", "url", "Target URL", "Link"}, rows: []string{"2 https://a.example/"}},
		{name: "spelling of a name", text: "id|Target_URL\n1|https://a.example/\n",
			columns: []string{"id", "Target_URL"}, rows: []string{"2 https://a.example/"}, notes: []string{`column "Target_URL": taken as the URLs`}},
		{name: "names of files are not hosts", text: "Datei,Shop\nfoto.jpg,shop-a.example\nplan.pdf,shop-b.example\n",
			columns: []string{"Datei", "Shop"}, rows: []string{"2 https://shop-a.example/", "3 https://shop-b.example/"}, notes: []string{`column "Shop": taken as the URLs`}},
		{name: "one wrong cell of ten", text: "a,b\n" + strings.Repeat("1,https://a.example/\n", 9) + "1,none\n", columns: []string{"a", "b"},
			rows: []string{"2 https://a.example/", "3 https://a.example/", "4 https://a.example/", "5 https://a.example/", "6 https://a.example/", "7 https://a.example/",
				"8 https://a.example/", "9 https://a.example/", "10 https://a.example/", "11 none: not a URL"}, notes: []string{`column "b": taken as the URLs`}},
		{name: "the user chooses", text: "url,Canonical\nhttps://a.example/,https://b.example/\n", urlColumn: "canonical",
			columns: []string{"url", "Canonical"}, rows: []string{"2 https://b.example/"}},
		{name: "the user chooses a number that is in a cell", text: "1,a.example\n2,b.example\n3,c.example\n", urlColumn: "2",
			columns: []string{"column 1", "url"}, rows: []string{"1 https://a.example/", "2 https://b.example/", "3 https://c.example/"},
			notes: []string{"no header line: column 2 of 2 is taken as the URLs"}},
		{name: "the user chooses a number that is a name", text: "1,2\nx,a.example\n2,b.example\n", urlColumn: "2",
			columns: []string{"1", "2"}, rows: []string{"2 https://a.example/", "3 https://b.example/"}},
		{name: "the user chooses a name that is in a cell", text: "ziel,name\na.example,x\nb.example,ziel\nnone,y\n", urlColumn: "ziel",
			columns: []string{"ziel", "name"}, rows: []string{"2 https://a.example/", "3 https://b.example/", "4 none: not a URL"}},
		{name: "the user chooses a number", text: "1,a.example,b.example\n", urlColumn: "3",
			columns: []string{"column 1", "column 2", "url"}, rows: []string{"1 https://b.example/"}, notes: []string{"no header line: column 3 of 3 is taken as the URLs"}},
		{name: "own columns with the same name", text: "url,a,a,\nhttps://a.example/,1,2,3\n", columns: []string{"url", "a", "a", ""}, rows: []string{"2 https://a.example/"}},
		{name: "invisible characters in the header", text: "URL\u200b,x\nhttps://a.example/,2\n", columns: []string{"URL\u200b", "x"}, rows: []string{"2 https://a.example/"}},
		{name: "no-break space in the header", text: "\u00a0Url\u00a0;x\nhttps://a.example/;2\n", columns: []string{"\u00a0Url\u00a0", "x"}, rows: []string{"2 https://a.example/"}},

		// Number signs.
		{name: "the first column is #", text: "#,Title,URL\n1,A,https://a.example/\n#2,B,https://b.example/\n",
			columns: []string{"#", "Title", "URL"}, rows: []string{"2 https://a.example/", "3 https://b.example/"}},
		{name: "the first column is #, and the URLs have no known name", text: "#;Titel;Faqja\n1;A;https://a.example/\n2;B;https://b.example/\n",
			columns: []string{"#", "Titel", "Faqja"}, rows: []string{"2 https://a.example/", "3 https://b.example/"}, notes: []string{`column "Faqja": taken as the URLs`}},
		{name: "#url", text: "#url\r\na.example\r\nb.example\r\n", columns: []string{"#url"}, rows: []string{"2 https://a.example/", "3 https://b.example/"}},
		{name: "#url with labels", text: "#url,label\r\na.example,bad\r\nb.example,bad\r\n", columns: []string{"#url", "label"}, rows: []string{"2 https://a.example/", "3 https://b.example/"}},
		{name: "comments above the header", text: "# url, title\n# 2026\nurl,title\na.example,#1\n# c.example,x\n",
			columns: []string{"url", "title"}, rows: []string{"4 https://a.example/", "5 # c.example: not a URL"}},
		{name: "comments in a list", text: "# shops\na.example\n# more\nb.example\n", rows: []string{"2 https://a.example/", "4 https://b.example/"}},

		// Several columns without a header, and lists.
		{name: "ranks", text: "1,a.example\r\n2,b.example\r\n", columns: []string{"column 1", "url"}, rows: []string{"1 https://a.example/", "2 https://b.example/"},
			notes: []string{"no header line: column 2 of 2 is taken as the URLs"}},
		{name: "URL and title", text: "https://a.example/;First page\nhttps://b.example/;Second\n", columns: []string{"url", "column 2"},
			rows: []string{"1 https://a.example/", "2 https://b.example/"}, notes: []string{"no header line: column 1 of 2 is taken as the URLs"}},
		{name: "two URLs on a line", text: "http://a.example/1.xml,http://b.example/2.xml\nhttps://c.example/3\nd.example;e.example\n",
			rows: []string{"1 http://a.example/1.xml,http://b.example/2.xml: more than one URL", "2 https://c.example/3", "3 d.example;e.example: more than one URL"}},
		{name: "two URLs with a space", text: "https://c.example/3\nhttp://a.example/ http://b.example/\nhttps://c.example/?a=1, http://b.example/\n",
			rows: []string{"1 https://c.example/3", "2 http://a.example/ http://b.example/: more than one URL", "3 https://c.example/?a=1, http://b.example/: more than one URL"}},
		{name: "two URLs in a cell", text: "url\nhttp://a.example/ http://b.example/\n\"https://a.example/?u=x,http://b.example/\"\n\"http://a.example/;http://b.example/\"\n",
			columns: []string{"url"}, rows: []string{"2 http://a.example/ http://b.example/: more than one URL", "3 https://a.example/?u=x,http://b.example/",
				"4 http://a.example/;http://b.example/: more than one URL"}},
		{name: "a comma in a URL", text: "https://a.example/1\nhttps://a.example/@52.5,13.4,15z\n\"https://a.example/a,b\",\n",
			rows: []string{"1 https://a.example/1", "2 https://a.example/@52.5,13.4,15z", "3 https://a.example/a,b"}},
		{name: "a space in a URL", text: "https://a.example/My Report.pdf\nhttps://a.example/?q=\"><b>\n<https://a.example/1>\n",
			rows: []string{"1 https://a.example/My Report.pdf: not only a URL", "2 https://a.example/?q=%22%3E%3Cb%3E", "3 https://a.example/1"}},
		{name: "a list with an unknown header", text: "Faqet\nhttps://a.example/\nhttps://a.example/b\n", columns: []string{"Faqet"},
			rows: []string{"2 https://a.example/", "3 https://a.example/b"}, notes: []string{`line 1, "Faqet", is taken as the header of the URLs`}},
		{name: "a list that begins with a wrong URL", text: "htp:/a.example\nhttps://b.example/\n", rows: []string{"1 htp:/a.example: not a URL", "2 https://b.example/"}},
		{name: "separators at the ends of a list", text: "https://a.example/,\n\"https://b.example/\",\nhttps://c.example/;\n",
			rows: []string{"1 https://a.example/", "2 https://b.example/", "3 https://c.example/"}},

		// Lines above the header.
		{name: "separator line", text: "sep=;\r\nTitle;URL\r\nOne;https://a.example/\r\n", columns: []string{"Title", "URL"}, rows: []string{"3 https://a.example/"}},
		{name: "quoted separator line", text: "\ufeff\"sep=,\"\r\nTitle,URL\r\nOne,https://a.example/\r\n", columns: []string{"Title", "URL"}, rows: []string{"3 https://a.example/"}},
		{name: "separator line for tabs", text: "SEP=\t\nTitle, or name\tPage\nOne\thttps://a.example/\n", columns: []string{"Title, or name", "Page"}, rows: []string{"3 https://a.example/"},
			notes: []string{`column "Page": taken as the URLs`}},
		{name: "separator line of a list", text: "sep=,\nhttps://a.example/\n", rows: []string{"2 https://a.example/"}},
		{name: "titles", text: "Report;;\nDomain;shop.example;\n\nURL;Visits;\nhttps://a.example/;1;\n", columns: []string{"URL", "Visits", ""}, rows: []string{"5 https://a.example/"},
			notes: []string{`2 lines above the header in line 4 were skipped: "Report", "Domain shop.example"`}},
		{name: "a title that is a name", text: "Pages\nPage;Clicks\nhttps://a.example/;1\nhttps://b.example/;2\n", columns: []string{"Page", "Clicks"},
			rows:  []string{"3 https://a.example/", "4 https://b.example/"},
			notes: []string{`line 1 is above the header and was skipped: "Pages"`, `column "Page": taken as the URLs`}},
		{name: "a title that is a host", text: "shop.example\nTitle,URL\nA,https://a.example/\n", columns: []string{"Title", "URL"}, rows: []string{"3 https://a.example/"},
			notes: []string{`line 1 is above the header and was skipped: "shop.example"`}},
		{name: "ten titles", text: strings.Repeat("title\n", 10) + "n,url\n1,https://a.example/\n", columns: []string{"n", "url"}, rows: []string{"12 https://a.example/"},
			notes: []string{`10 lines above the header in line 11 were skipped: ` + strings.TrimSuffix(strings.Repeat(`"title", `, 10), ", ")}},

		// Cells and lines.
		{name: "CR in a table", text: "url,title\rhttps://a.example/,One\rhttps://b.example/,\"T\rwo\"\rhttps://c.example/,3",
			columns: []string{"url", "title"}, rows: []string{"2 https://a.example/", "3 https://b.example/", "5 https://c.example/"}},
		{name: "CR in a list", text: "https://a.example/\rhttps://b.example/\r", rows: []string{"1 https://a.example/", "2 https://b.example/"}},
		{name: "all line ends", text: "url\nhttps://a.example/\r\nhttps://b.example/\rhttps://c.example/\n\nhttps://d.example/", columns: []string{"url"},
			rows: []string{"2 https://a.example/", "3 https://b.example/", "4 https://c.example/", "6 https://d.example/"}},
		{name: "files put together", text: "\ufeffurl,n\na.example,1\n\ufeffurl,n\nb.example,2\n", columns: []string{"url", "n"}, rows: []string{"2 https://a.example/", "4 https://b.example/"}},
		{name: "lists put together", text: "\ufeffhttps://a.example/\n   \n  b.example  \n\ufeffhttps://c.example/\ufeffhttps://d.example/",
			rows: []string{"1 https://a.example/", "3 https://b.example/", "4 https://c.example/\ufeffhttps://d.example/: more than one URL"}},
		{name: "a space before a quote", text: "\"title\", \"url\"\n\"A\" , \"https://a.example/\"\nB,\t\"https://b.example/\"\nthe \"C\", \"https://c.example/\" \n \"D\" of, https://d.example/\n",
			columns: []string{"title", "url"}, rows: []string{"2 https://a.example/", "3 https://b.example/", "4 https://c.example/", "5 https://d.example/"}},
		{name: "ragged rows", text: "url,a,b\nhttps://a.example/\nhttps://b.example/,1,2,,\nhttps://c.example/,1,2,3\n", columns: []string{"url", "a", "b"},
			rows: []string{"2 https://a.example/", "3 https://b.example/", "4 https://c.example/: 4 cells, but the header has 3"}},
		{name: "an unclosed quote", text: "url,a\nhttps://a.example/,\"x\nhttps://b.example/,y\n", columns: []string{"url", "a"},
			rows: []string{"2 : a quote is not closed; only this line is rejected", "3 https://b.example/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			columns, rows, notes, err := read(t, tt.text, tt.urlColumn)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{tt.columns, tt.rows, tt.notes}, [][]string{columns, rows, notes}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestUnknownLayouts checks that a file is refused if it is not clear which
// column has the URLs, and that the error says what to do.
func TestUnknownLayouts(t *testing.T) {
	for _, tt := range []struct{ name, text, urlColumn, contains string }{
		{"two columns of URLs", "Von,Nach\nhttps://a.example/,https://b.example/\n", "", `line 2 has more than one URL, in the columns "Von" and "Nach": choose one with --url-column`},
		{"two columns without a header", "https://a.example/,https://b.example/\n", "", `line 1 has more than one URL, in the columns 1 and 2`},
		{"URLs in half of the rows", "Nr,Seite A\n1,https://a.example/\n2,none\n", "", `no url column: line 1 has "Nr", "Seite A"; name the column url, or choose it with --url-column`},
		{"URLs with commas, or columns", "https://a.example/@52.5,13.4,15z\n", "", "put such URLs in double quotes"},
		{"a page number", "Page,Size\n1,2\n", "", "no url column"},
		{"a file name", "name,file\na,b.jpg\n", "", "no url column"},
		{"no such column", "url,b\nhttps://a.example/,1\n", "target", `no column "target": line 1 has "url", "b"`},
		{"a header after eleven lines", strings.Repeat("title\n", 11) + "n,url\n1,https://a.example/\n", "", "no url column"},
		{"an unclosed quote in the first line", "\"https://a.example/\nhttps://b.example/\n", "", "no url column: line 1: a quote is not closed; name the column url"},
		{"only a header", "#url\n", "", "no URLs found, only a header"},
		{"only a separator line", "sep=;\n", "", "no URLs found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			columns, rows, _, err := read(t, tt.text, tt.urlColumn)
			if err == nil || !strings.Contains(err.Error(), tt.contains) {
				t.Errorf("got %q, %q, %v; want an error with %q", columns, rows, err, tt.contains)
			}
		})
	}
}

// Surplus empty cells at the end of a row do not become part of the last column.
func TestSurplusCells(t *testing.T) {
	_, rows := readAll(t, "url;name;notes\nhttps://a.example/;d;keep;;\nhttps://a.example/;e;;;\nhttps://a.example/;f;\"a,b\";\n", false)
	want := [][]string{{"https://a.example/", "d", "keep"}, {"https://a.example/", "e", ""}, {"https://a.example/", "f", "a,b"}}
	for i, row := range rows {
		if diff := cmp.Diff(want[i], row.Cells); diff != "" || row.Reject != "" {
			t.Error(row.Reject, diff)
		}
	}
}

func TestRepeatedNames(t *testing.T) {
	_, rows := readAll(t, "url,a,a,a (2)\nhttps://a.example/,1,2,3\n", false)
	if diff := cmp.Diff(map[string]any{"a": "1", "a (2)": "2", "a (2) (2)": "3"}, map[string]any(rows[0].Metadata)); diff != "" {
		t.Error(diff)
	}
}
