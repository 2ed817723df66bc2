package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var update = flag.Bool("update", false, "write testdata again")

func TestWriteText(t *testing.T) {
	var out bytes.Buffer
	if err := WriteText(t.Context(), &out, example(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "text.txt", out.Bytes())
	for line := range strings.Lines(out.String()) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > lineWidth {
			t.Errorf("a line is too long: %q", line)
		}
	}
	// A long list is cut.
	s := store{}
	var rows []jobs.Job
	for i := range 1234 {
		rows = append(rows, done(fmt.Sprintf("https://a.example/%d?%s", i, strings.Repeat("x", 100))))
	}
	out.Reset()
	if err := WriteText(t.Context(), &out, run(t, s, s.add("a", rows...), s.add("b"), Options{})); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "\n  … and 1,214 more: --format csv, json or html shows all\n") || strings.Count(out.String(), "only in A, done") != maxListed {
		t.Errorf("a long list:\n%s", out.String())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestWriteRecords(t *testing.T) {
	r := example(t)
	var asJSON, asCSV bytes.Buffer
	if err := errors.Join(WriteJSON(t.Context(), &asJSON, r), WriteCSV(t.Context(), &asCSV, r)); err != nil {
		t.Fatal(err)
	}
	var report struct {
		A, B        struct{ BatchID string }
		Same        int64
		OtherParams []string `json:"other_params"`
		Kinds       map[Kind]int64
		Changes     []changeRecord
	}
	if err := json.Unmarshal(asJSON.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, asJSON.String())
	}
	if report.Same != 3 || len(report.Changes) != 9 || len(report.Kinds) != len(Kinds) || !slices.Equal(report.OtherParams, []string{"dark"}) {
		t.Errorf("report: %+v", report)
	}
	much, missing, only := report.Changes[2], report.Changes[6], report.Changes[8]
	if *much.Share != 0.9 || much.A.Image != "p/a.png" || much.B.Height != 1800 || much.Difference != "p/d.png" {
		t.Errorf("a picture: %+v", much)
	}
	if missing.NotCompared == "" || missing.Share != nil || only.A != nil || only.B.Row != 9 {
		t.Errorf("not compared: %+v, only in one: %+v", missing, only)
	}
	rows, err := csv.NewReader(&asCSV).ReadAll()
	if err != nil || len(rows) != 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	cell := func(row int, name string) string { return rows[row][slices.Index(rows[0], name)] }
	for _, test := range []struct {
		row        int
		name, want string
	}{
		{1, "kinds", "state"}, {1, "b_error", "'=HYPERLINK(\"<b>\")\x1b[31m"}, {1, "share", ""}, {3, "share", "0.9"}, {3, "b_height", "1800"},
		{5, "kinds", "final_url title"}, {5, "b_final_url", "https://a.example/2"}, {6, "a_cost", "1"}, {9, "a_row", ""}, {9, "b_row", "9"},
	} {
		if got := cell(test.row, test.name); got != test.want {
			t.Errorf("row %d, %s: %q, want %q", test.row, test.name, got, test.want)
		}
	}
}

func TestWriteHTML(t *testing.T) {
	var out bytes.Buffer
	if err := WriteHTML(t.Context(), &out, example(t), Pages{}); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>\"") || strings.Contains(page, "secret") || strings.Contains(page, `href="javascript`) {
		t.Errorf("text from outside is not escaped:\n%s", page)
	}
	for _, want := range []string{
		`content="default-src &#39;none&#39;; `, `<img src="p/d.png"`, `<img src="p/m.png"`, "90.0 %", "0.012 %", `<div class="none">A: the vendor no longer has the picture</div>`, `id="change-9"`,
		"1280 × 1800",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %s", want)
		}
	}
	if strings.Contains(page, `class="pages"`) {
		t.Error("one page has links to others")
	}
}

var links = regexp.MustCompile(`(?:href|src)="([^"#][^"]*)"`)

// TestPages checks the links between pages, and that each change is on one page.
func TestPages(t *testing.T) {
	s := store{}
	var rows []jobs.Job
	looks := map[string]Look{}
	for i := range 2*PageChanges + 1 {
		url := fmt.Sprintf("https://a.example/%d", i)
		rows = append(rows, done(url))
		looks[url] = Look{Changed: true, Share: 0.5, A: Shown{Image: "my pictures/a.png"}}
	}
	r := run(t, s, s.add("a", slices.Clone(rows)...), s.add("b", rows...), Options{Looker: looker{looks: looks}, Parallel: 4})
	folder := t.TempDir()
	write := func(name string, content func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		return errors.Join(content(file), file.Close())
	}
	pages := Pages{Folder: "my page_files", FilePrefix: "abc-", First: "my page.html"}
	pages.WriteFile = func(name string, content func(io.Writer) error) error { return write(pages.Folder+"/"+name, content) }
	if err := errors.Join(os.MkdirAll(filepath.Join(folder, pages.Folder), 0o755), os.MkdirAll(filepath.Join(folder, "my pictures"), 0o755),
		os.WriteFile(filepath.Join(folder, "my pictures/a.png"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := write(pages.First, func(w io.Writer) error { return WriteHTML(t.Context(), w, r, pages) }); err != nil {
		t.Fatal(err)
	}
	numbers := map[string]int{}
	for _, name := range []string{"my page.html", "my page_files/abc-page-2.html", "my page_files/abc-page-3.html"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range regexp.MustCompile(`id="change-\d+"`).FindAllString(string(text), -1) {
			numbers[id]++
		}
		local := 0
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(link[1], "https://") {
				continue
			}
			local++
			target := filepath.Join(filepath.Dir(filepath.Join(folder, name)), strings.ReplaceAll(link[1], "%20", " "))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if local < 3 {
			t.Errorf("%s has %d links to files", name, local)
		}
	}
	if len(numbers) != len(rows) {
		t.Errorf("%d changes on pages, want %d", len(numbers), len(rows))
	}
}
