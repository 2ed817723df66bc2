package summary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"shotline/jobs"
)

// sheetOf writes a sheet with the given rows. It returns the page, and the files
// by name.
func sheetOf(t *testing.T, s Summary, sheet Sheet, rows ...jobs.Row) (string, map[string]string) {
	t.Helper()
	files := map[string]string{}
	if sheet.Folder != "" {
		sheet.WriteFile = func(name string, content func(io.Writer) error) error {
			var out bytes.Buffer
			err := content(&out)
			files[name] = out.String()
			return err
		}
	}
	if sheet.Page > 0 {
		sheet.PageLink = func(page int) string { return fmt.Sprintf("?page=%d", page) }
	}
	var out bytes.Buffer
	src := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: s.BatchID, Columns: []string{"SKU", " Title "}}}, rows: rows}
	if err := WriteHTML(t.Context(), &out, src, s, sheet); err != nil {
		t.Fatal(err)
	}
	return out.String(), files
}

// withoutOwn removes the style and the script, which are not from outside.
func withoutOwn(page string) string {
	return strings.NewReplacer(sheetStyle, "", "<script>"+sheetScript+"</script>", "").Replace(page)
}

var hostile = []string{
	`javascript:alert(1)`, `JaVaScRiPt:alert(1)`, ` javascript:alert(1)`, "java\nscript:alert(1)", `vbscript:x`,
	`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `data:text/html,<script>alert(1)</script>`,
	`data:image/svg+xml;base64,PHN2Zz4=`, `data:image/png;base64,"><script>`, `//evil.example/x.png`, `/etc/passwd`, `\\evil\x`,
	`https://a.example/"><script>alert(1)</script>`, `https://a.example/' onload='x`, `file:///etc/passwd`, "https://a.example/\x00",
}

func TestHostileTextIsEscaped(t *testing.T) {
	for _, text := range hostile {
		for _, state := range jobs.States {
			row := jobs.Row{
				Job: jobs.Job{
					ID: jobs.ID{Batch: "b", Row: 1}, URL: text, ImageURL: text, Error: text, State: state, DuplicateOf: 1,
					Cells: []string{text, text},
				},
				Original: &jobs.Job{State: jobs.State(text)},
			}
			for name, sheet := range map[string]Sheet{"page": {}, "part": {Page: 1}, "files": {Folder: text, FilePrefix: text}} {
				s := Summary{BatchID: "b", Source: text, PauseReason: text, Rows: 1, Failed: 9, Reasons: []Reason{{State: state, Error: text, Count: 2}}}
				if name == "files" {
					s.Rows = inlineRows + 1
				}
				sheet.Image = func(jobs.Job) (string, error) { return text, nil }
				sheet.Captions = []string{"sku", "TITLE"}
				page, files := sheetOf(t, s, sheet, row)
				page = elements.ReplaceAllStringFunc(withoutOwn(page), func(element string) string {
					if strings.Count(element, "<") != 2 {
						t.Errorf("%q as %s in %s: %s ends early", text, state, name, element)
					}
					return ""
				})
				for file, content := range files {
					if strings.Contains(file, "rows-") { // the texts of the search are not HTML
						page += strings.Join(blockTexts(t, content), "")
					}
				}
				page = strings.Join(strings.Fields(page), " ")
				for _, bad := range []string{"<script", "<img src=x", `' onload='`, "ZgotmplZ"} {
					if strings.Contains(page, bad) {
						t.Errorf("%q as %s in %s: page contains %q", text, state, name, bad)
					}
				}
				for _, link := range linkAttribute.FindAllStringSubmatch(page, -1) {
					if !harmless(html.UnescapeString(link[1])) {
						t.Errorf("%q as %s in %s: links to %q", text, state, name, link[1])
					}
				}
			}
		}
	}
}

// blockTexts returns the texts of the file of a block.
func blockTexts(t *testing.T, file string) (texts []string) {
	t.Helper()
	_, list, found := strings.Cut(file, ",")
	if !found || !strings.HasPrefix(file, `sheetBlock("`) || json.Unmarshal([]byte(strings.TrimSuffix(list, ");\n")), &texts) != nil {
		t.Fatalf("not a block: %.100q", file)
	}
	return texts
}

var linkAttribute = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// harmless reports whether a link is a web address, an image as data URI, an
// anchor or a path that a browser resolves below the page.
func harmless(link string) bool {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return false
	case u.Scheme == "data":
		return imageData.MatchString(link)
	case u.Scheme != "":
		return u.Scheme == "http" || u.Scheme == "https"
	}
	return u.Host == "" && !strings.HasPrefix(link, "/") && !strings.HasPrefix(link, `\`)
}

func TestImageURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"pictures/a.png":             "pictures/a.png",
		"pictures/a b#1?.png":        "pictures/a%20b%231%3F.png",
		"../up.png":                  "../up.png",
		"a:b.png":                    "./a:b.png",
		"javascript:alert(1)":        "./javascript:alert%281%29",
		"https://img.example/1.png":  "https://img.example/1.png",
		"data:image/png;base64,iVB=": "data:image/png;base64,iVB=",
		"data:text/html,x":           "",
		"data:image/svg+xml,x":       "",
		"/abs.png":                   "",
		"//host/abs.png":             "",
	} {
		if got := string(imageURL(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzImageURL(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := string(imageURL(text))
		if got != "" && !harmless(got) {
			t.Errorf("%q: got %q", text, got)
		}
	})
}

func TestDuplicateLinksToItsOriginal(t *testing.T) {
	row := jobs.Row{
		Job:      jobs.Job{ID: jobs.ID{Batch: "b", Row: 1004}, URL: "https://user:secret@a.example/", State: jobs.Duplicate, DuplicateOf: 1},
		Original: &jobs.Job{State: jobs.TimedOut},
	}
	page, _ := sheetOf(t, Summary{Rows: 4}, Sheet{}, row)
	if !strings.Contains(page, `<a href="#row-1">row 1</a>, timed out`) {
		t.Error("no link to the original")
	}
	if strings.Contains(page, "secret") {
		t.Error("the page contains a password")
	}
	if page, _ = sheetOf(t, Summary{Rows: 1004}, Sheet{Page: 3}, row); !strings.Contains(page, `<a href="?page=1#row-1">row 1</a>`) {
		t.Error("no link to the page of the original")
	}
}

// manyRows returns rows of all kinds, with a gap in their numbers, and their
// summary.
func manyRows(n int) ([]jobs.Row, Summary) {
	s := Summary{BatchID: "b", Rows: int64(n), Reasons: []Reason{
		{State: jobs.Failed, Error: "gone", FirstJob: jobs.ID{Batch: "b", Row: 1}}, {State: jobs.TimedOut, Count: 1},
	}}
	rows := make([]jobs.Row, n)
	for i := range rows {
		number := int64(i + 1)
		if i >= n/2 {
			number += 7
		}
		j := jobs.Job{ID: jobs.ID{Batch: "b", Row: number}, URL: fmt.Sprintf("https://a.example/Page-%d", number), State: jobs.Done, Cells: []string{fmt.Sprintf("S%d", number), "</script>"}}
		switch {
		case i%10 == 3:
			j.State, j.Error = jobs.Failed, "gone"
			s.Failed++
			s.Reasons[0].Count++
		case i == 11:
			j.State = jobs.TimedOut
			s.TimedOut++
		case i%100 == 12:
			j.State, j.Error = jobs.Rejected, fmt.Sprintf("bad %d", i)
			s.Rejected++
		default:
			s.Done++
		}
		rows[i] = jobs.Row{Job: j}
	}
	return rows, s
}

var (
	cardID   = regexp.MustCompile(`<figure class="([a-z_]+)" id="row-(\d+)">`)
	elements = regexp.MustCompile(`(?s)<script type="application/json" id="([a-z0-9-]+)">(.*?)</script>`)
)

// TestEveryRowIsOnTheSheet checks that blocks and index have every row once, in
// files and in the page, and that they agree with the summary.
func TestEveryRowIsOnTheSheet(t *testing.T) {
	for _, n := range []int{0, 1, inlineRows, inlineRows + 1, 2*chunkRows + 200, textRows + 1} {
		for _, folder := range []string{"", "sheet files"} {
			rows, s := manyRows(n)
			page, files := sheetOf(t, s, Sheet{Folder: folder, FilePrefix: "k-", Captions: []string{"SKU"}}, rows...)
			blocks := map[string][]string{}
			var x index
			for _, e := range elements.FindAllStringSubmatch(page, -1) {
				var err error
				if e[1] == "index" {
					err = json.Unmarshal([]byte(e[2]), &x)
				} else {
					var texts []string
					err = json.Unmarshal([]byte(e[2]), &texts)
					blocks[e[1]] = texts
				}
				if err != nil {
					t.Fatalf("%d rows: element %s: %v", n, e[1], err)
				}
			}
			for name, file := range files {
				blocks[strings.TrimSuffix(strings.TrimPrefix(name, "k-"), ".js")] = blockTexts(t, file)
			}
			if (len(files) > 0) != (folder != "" && n > inlineRows) {
				t.Errorf("%d rows: %d files", n, len(files))
			}
			if folder != "" && x.Prefix != "./sheet%20files/k-" {
				t.Errorf("the prefix is %q", x.Prefix)
			}
			shown := cardID.FindAllStringSubmatch(elements.ReplaceAllString(page, ""), -1)
			if want := min(n, leadRows); n > inlineRows && len(shown) != want {
				t.Errorf("%d rows: %d cards in the page, want %d", n, len(shown), want)
			}
			if n > inlineRows {
				shown = nil
				for k := 0; blocks[fmt.Sprintf("rows-%d", k)] != nil; k++ {
					for _, card := range blocks[fmt.Sprintf("rows-%d", k)] {
						shown = append(shown, cardID.FindAllStringSubmatch(card, -1)...)
					}
				}
			}
			if len(shown) != n || len(x.States) != n || len(x.Reasons) != n {
				t.Fatalf("%d rows: %d cards, %d states, %d reasons", n, len(shown), len(x.States), len(x.Reasons))
			}
			counts := map[byte]int64{}
			reasons := map[byte]int64{}
			for i, row := range rows {
				if shown[i][1] != string(row.State) || shown[i][2] != fmt.Sprint(row.ID.Row) || x.States[i] != stateCode(slices.Index(jobs.States, row.State)) {
					t.Fatalf("%d rows: position %d has %v", n, i, shown[i])
				}
				text := blocks[fmt.Sprintf("text-%d", i/textRows)][i%textRows]
				if !strings.Contains(text, fmt.Sprintf("https://a.example/page-%d s%d", row.ID.Row, row.ID.Row)) {
					t.Fatalf("%d rows: the text of position %d is %q", n, i, text)
				}
				counts[x.States[i]]++
				reasons[x.Reasons[i]]++
			}
			for i, state := range jobs.States {
				if counts[stateCode(i)] != s.Of(state) {
					t.Errorf("%d rows: %d are %s, want %d", n, counts[stateCode(i)], state, s.Of(state))
				}
			}
			if reasons['1'] != s.Failed || reasons['2'] != s.TimedOut || reasons[otherReason] != s.Rejected {
				t.Errorf("%d rows: the reasons are %v", n, reasons)
			}
			if n > 1 && (len(x.Jumps) != 1 || x.Jumps[0] != [2]int64{int64(n / 2), int64(n/2) + 8}) {
				t.Errorf("%d rows: the jumps are %v", n, x.Jumps)
			}
		}
	}
}

func TestFailedFirst(t *testing.T) {
	for _, n := range []int{100, 1000} {
		rows, s := manyRows(n)
		page, _ := sheetOf(t, s, Sheet{FailedFirst: true}, rows...)
		shown := cardID.FindAllStringSubmatch(elements.ReplaceAllString(page, ""), -1)
		for i, card := range shown {
			if want := int64(i) < flawedRows(s); want != flawed(jobs.State(card[1])) {
				t.Errorf("%d rows: card %d is %s", n, i, card[1])
			}
		}
		if !strings.Contains(page, `"failedFirst":true`) || !strings.Contains(page, `class="first" aria-pressed="true"`) {
			t.Error("the script does not know the order")
		}
	}
}

// TestPages checks that every row is on exactly one page, and that all links lead
// to a page.
func TestPages(t *testing.T) {
	rows, s := manyRows(2*PageRows + 100)
	seen := map[string]bool{}
	for page := 1; page <= 3; page++ {
		text, _ := sheetOf(t, s, Sheet{Page: page}, rows...)
		if strings.Contains(text, "<script") || strings.Contains(text, "script-src") {
			t.Errorf("page %d has a script", page)
		}
		for _, card := range cardID.FindAllStringSubmatch(text, -1) {
			if seen[card[2]] {
				t.Errorf("row %s is on two pages", card[2])
			}
			seen[card[2]] = true
		}
		for _, want := range []string{`rel="prev"`, `rel="next"`} {
			if got := strings.Contains(text, want); got != (want == `rel="prev"` && page > 1 || want == `rel="next"` && page < 3) {
				t.Errorf("page %d: %s is %t", page, want, got)
			}
		}
		for _, link := range linkAttribute.FindAllStringSubmatch(text, -1) {
			var other int
			if _, err := fmt.Sscanf(link[1], "?page=%d", &other); err == nil && (other < 1 || other > 3 || strings.Contains(link[1], fmt.Sprintf("?page=%d#", page))) {
				t.Errorf("page %d links to %q", page, link[1])
			}
		}
	}
	if len(seen) != len(rows) {
		t.Errorf("the pages have %d rows, want %d", len(seen), len(rows))
	}
	if text, _ := sheetOf(t, s, Sheet{Page: 9}, rows...); !strings.Contains(text, "no rows on page 9 of 3") || !strings.Contains(text, `href="?page=3" rel="prev"`) {
		t.Error("a page after the last one does not say so")
	}
}

func TestCaptions(t *testing.T) {
	row := jobs.Row{Job: jobs.Job{
		ID: jobs.ID{Row: 1}, URL: "https://a.example/", State: jobs.Done, Cells: []string{"A-1", "https://user:secret@b.example/x"},
	}}
	page, _ := sheetOf(t, Summary{Rows: 1}, Sheet{Captions: []string{" sku", "title"}}, row)
	if !strings.Contains(page, `<span class="caption" title="SKU: A-1">A-1</span>`) || !strings.Contains(page, ">https://b.example/x</span>") || strings.Contains(page, "secret") {
		t.Errorf("got %s", withoutOwn(page))
	}
	b := jobs.Batch{BatchSpec: jobs.BatchSpec{Columns: []string{"SKU", "Title"}}}
	for names, want := range map[string]string{"sku,TITLE": "", "Name": `"Name" is not a column of the input, which has SKU, Title`, "SKU,": "empty", "1,2,3,4,5,6,7": "at most 6"} {
		err := CheckCaptions(b, strings.Split(names, ","))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v", names, err)
		}
	}
	c := caption{name: "n", column: -1}
	for value, want := range map[any]string{nil: "", "a\nb": "a b", json.Number("1.50"): "1.50", true: "true"} {
		if got := c.value(jobs.Job{Metadata: jobs.Metadata{"n": value}}); got != want {
			t.Errorf("metadata %v: got %q, want %q", value, got, want)
		}
	}
}

// endlessSource returns n rows that exist only while they are read.
type endlessSource struct {
	fakeSource
	n int64
}

func (e *endlessSource) Rows(_ context.Context, _ string, after int64, limit int) (rows []jobs.Row, _ error) {
	for number := after + 1; number <= e.n && len(rows) < limit; number++ {
		url := fmt.Sprintf("https://a.example/%d/%s", number, strings.Repeat("x", 100))
		rows = append(rows, jobs.Row{Job: jobs.Job{ID: jobs.ID{Batch: "b", Row: number}, URL: url, State: jobs.Done}})
	}
	return rows, nil
}

// TestMemoryOfTheSheet checks that memory use does not grow with the rows, except
// for the bytes of the index.
func TestMemoryOfTheSheet(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 16,000 rows")
	}
	const n = 16_000
	heap := map[string]uint64{}
	sheet := Sheet{Folder: "f", WriteFile: func(name string, content func(io.Writer) error) error {
		if name == "rows-5.js" || name == "rows-30.js" {
			runtime.GC()
			runtime.GC() // a pool keeps its content for one collection
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap[name] = m.HeapAlloc
		}
		return content(io.Discard)
	}}
	if err := WriteHTML(t.Context(), io.Discard, &endlessSource{n: n}, Summary{BatchID: "b", Rows: n}, sheet); err != nil {
		t.Fatal(err)
	}
	if len(heap) != 2 || heap["rows-30.js"] > heap["rows-5.js"]+1<<18 {
		t.Errorf("the heap after 3,000 and 15,500 rows is %v", heap)
	}
}

func TestBrokenSheet(t *testing.T) {
	rows, s := manyRows(1000)
	f := &fakeSource{rows: rows, err: jobs.ErrUnavailable}
	for _, sheet := range []Sheet{{}, {Page: 1, PageLink: func(int) string { return "" }}} {
		if err := WriteHTML(t.Context(), io.Discard, f, s, sheet); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("broken source: got %v", err)
		}
	}
	f.err = nil
	if err := WriteHTML(t.Context(), brokenWriter{}, f, s, Sheet{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: got %v", err)
	}
	broken := func(string, func(io.Writer) error) error { return io.ErrClosedPipe }
	if err := WriteHTML(t.Context(), io.Discard, f, s, Sheet{Folder: "f", WriteFile: broken}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken folder: got %v", err)
	}
	image := func(j jobs.Job) (string, error) {
		if j.State != jobs.Done {
			t.Errorf("the image of a %s job was requested", j.State)
		}
		return "", io.ErrNoProgress
	}
	if err := WriteHTML(t.Context(), io.Discard, f, s, Sheet{Image: image}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("broken image: got %v", err)
	}
}

// A percent sign that encodes nothing is part of a URL, and the password of such a
// URL is hidden as well.
func TestPercentSign(t *testing.T) {
	v := newCardView(Card{Job: jobs.Job{URL: "https://user:hunter2@a.example/50%-off/AC%2FDC?q", State: jobs.Done}})
	if want := "https://a.example/50%25-off/AC%2FDC?q"; v.Link != want || v.Address != want {
		t.Errorf("the link is %q, the text %q, want %q", v.Link, v.Address, want)
	}
	if v.Host != "a.example" || v.Rest != "/50%-off/AC/DC?q" {
		t.Errorf("got the host %q and the rest %q", v.Host, v.Rest)
	}
}
