package input_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs/csvfile"
	"shotline/jobs/input"
)

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSeveralFiles checks that the rows of several files come in order, with the
// columns of all.
func TestSeveralFiles(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	write(t, folder, map[string]string{
		"a.csv": "SKU,url\n1,https://a.example/1\n2,none\n", "b.csv": "Address;Price;sku\nhttps://b.example/;9;3\nhttps://b.example/2;8;4;x\n",
		"c.txt.gz": zipped(t, "https://c.example/\n"), "d.jsonl": `{"url":"d.example","Price":5}`,
	})
	r, err := input.OpenFiles([]string{"a.csv", "b.csv", "c.txt.gz", "d.jsonl", "-"}, strings.NewReader("url\ne.example\n"), input.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"SKU", "url", "Price"}, r.Columns()); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"2 https://a.example/1 1|https://a.example/1|",
		`3 none 2|none| rejected: a.csv: not a URL: "none": it is neither a host nor a URL with a scheme`,
		"2 https://b.example/ 3|https://b.example/|9",
		"3 https://b.example/2 4|https://b.example/2|8|x rejected: b.csv: 4 cells, but the header has 3",
		"1 https://c.example/ |https://c.example/|", "1 https://d.example/ |https://d.example/|5", "2 https://e.example/ |e.example|",
	}
	if diff := cmp.Diff(want, shown(collect(t, r))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`b.csv: column "Address": taken as the URLs`}, r.Notes()); diff != "" {
		t.Error(diff)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, names := range [][]string{{"a.csv", "none.csv"}, {"a.csv", "."}} {
		if r, err := input.OpenFiles(names, nil, input.Options{}); err == nil || r != nil || !strings.Contains(err.Error(), names[1]) {
			t.Errorf("%q: got %v, %v; want an error with the name", names, r, err)
		}
	}
}

func TestSitemapIndex(t *testing.T) {
	folder := t.TempDir()
	part := func(url string) string { return "<urlset><url><loc>" + url + "</loc></url></urlset>" }
	write(t, folder, map[string]string{
		"index.xml":    "<sitemapindex>\n<sitemap><loc>https://a.example/maps/s1.xml.gz</loc></sitemap><sitemap><loc>https://a.example/maps/s2.xml?v=1</loc></sitemap></sitemapindex>",
		"s1.xml.gz":    zipped(t, part("https://a.example/1")),
		"s2.xml":       part("https://a.example/2"),
		"missing.xml":  "<sitemapindex><sitemap><loc>https://a.example/s1.xml</loc></sitemap><sitemap><loc>https://a.example/..%2fs9.xml</loc></sitemap></sitemapindex>",
		"circular.xml": "<sitemapindex><sitemap><loc>https://a.example/circular.xml</loc></sitemap></sitemapindex>",
	})
	open := func(names ...string) (*input.Reader, error) {
		for i, name := range names {
			names[i] = filepath.Join(folder, name)
		}
		return input.OpenFiles(names, nil, input.Options{})
	}
	for _, names := range [][]string{{"index.xml"}, {"index.xml", "s2.xml"}, {"s1.xml.gz", "index.xml"}} {
		r, err := open(names...)
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		for _, row := range collect(t, r) {
			urls = append(urls, row.URL)
		}
		slices.Sort(urls)
		if diff := cmp.Diff([]string{"https://a.example/1", "https://a.example/2"}, urls); diff != "" {
			t.Errorf("%q: %s", names, diff)
		}
		r.Close()
	}
	if _, err := open("missing.xml"); !errors.Is(err, input.ErrFormat) || !strings.Contains(err.Error(), "download s9.xml into the same folder") {
		t.Errorf("got %v, want the missing part", err)
	}
	if _, err := open("circular.xml"); !errors.Is(err, csvfile.ErrEmpty) {
		t.Errorf("got %v, want that there are no URLs", err)
	}
}

// A file that gets other columns between its opening and its rows is an error.
func TestChangedFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, changed := range []string{"sku,url\n2,https://b.example/\n", "url,price\nhttps://b.example/,2\n", "<sitemapindex><sitemap><loc>b.csv</loc></sitemap></sitemapindex>", "%PDF-"} {
		write(t, ".", map[string]string{"a.csv": "url,sku\nhttps://a.example/,1\n", "b.csv": "url,sku\nhttps://b.example/,2\n"})
		r, err := input.OpenFiles([]string{"a.csv", "b.csv"}, nil, input.Options{})
		if err != nil {
			t.Fatal(err)
		}
		write(t, ".", map[string]string{"b.csv": changed})
		_, firstErr := r.Next()
		row, err := r.Next()
		var inFile *input.FileError
		if firstErr != nil || !errors.As(err, &inFile) || inFile.Name != "b.csv" {
			t.Errorf("%q: got %v, %+v, %v; want an error of b.csv", changed, firstErr, row, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
