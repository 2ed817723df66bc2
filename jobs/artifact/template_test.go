package artifact

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"shotline/jobs"
)

// shown are the values of the tests: a row of a shop's product list.
func shown() Values {
	return Values{
		Job: jobs.Job{
			ID: jobs.ID{Batch: "b7k2m9q4x1", Row: 17}, Line: 19, URL: "https://www.example.com:8443/caf%C3%A9/men%2Fu/?a=1", State: jobs.Done,
			Tags: []string{"row tag"}, Metadata: jobs.Metadata{"id": "own-41", "price": json.Number("12.50"), "sold": true},
			Cells:    []string{"https://www.example.com:8443/caf%C3%A9/men%2Fu/?a=1", "SKU 1/2", "Crème brûlée: für 2 – „neu“", "own-41", ""},
			ClosedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)),
		},
		File:      jobs.File{Output: jobs.OutputImage, Shot: 1, Attempt: 2, Screenshot: "90210"},
		Columns:   []string{"url", "SKU", "Product Title", "id", "Empty"},
		Tags:      []string{"autumn"},
		Extension: "png",
	}
}

// TestStrayPercent checks a URL that browsers accept and net/url refuses.
func TestStrayPercent(t *testing.T) {
	t.Parallel()
	template, err := ParseTemplate("{domain}-{path}", nil)
	if err != nil {
		t.Fatal(err)
	}
	v := shown()
	v.Job.URL = "https://www.example.com/50%-off/AC%2FDC"
	if got := template.Name(v); got != "example.com-50%-off-AC-DC.png" {
		t.Errorf("name %s", got)
	}
}

// TestTemplateVariables checks each variable and filter.
func TestTemplateVariables(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{id}":                                "90210.png",
		"{domain}":                            "example.com.png",
		"{yyyy}-{mm}-{dd} {hh}{ii}{ss}":       "2026-03-04 040607.png",
		"{tag}":                               "autumn.png",
		"{job}":                               "b7k2m9q4x1-17.png",
		"{batch}/{row}":                       "b7k2m9q4x1/17.png",
		"{line}.{ext}":                        "19.png",
		"{state}":                             "done.png",
		"{host}":                              "www.example.com.png",
		"{path}":                              "café-men-u.png",
		"{shot}-{attempt}-{output}":           "1-2-image.png",
		"{ext}/{row}":                         "png/17.png",
		"{SKU}":                               "SKU 1-2.png",
		"{sku}":                               "SKU 1-2.png",
		"{product title}":                     "Crème brûlée- für 2 – „neu“.png",
		"{ Product Title | slug }":            "creme-brulee-fur-2-neu.png",
		"{Product Title|12}":                  "Crème brûlée.png",
		"{Product Title|6}x":                  "Crèmex.png",
		"{Product Title|slug|14}":             "creme-brulee-f.png",
		"{meta:id}":                           "own-41.png",
		"{meta:price}":                        "12.50.png",
		"{meta:sold}":                         "true.png",
		"{meta:sku}":                          "SKU 1-2.png",
		"{line}-{Empty}.{ext}":                "19.png",
		"{Empty}-{line}":                      "19.png",
		"{line}_{Empty}_{row}":                "19_17.png",
		"{Empty}":                             "_.png",
		"{Empty}.{ext}":                       "_.png",
		"{Empty}/{meta:none}/{row}":           "_/_/17.png",
		"{{{row}}}":                           "{17}.png",
		"{row}.jpg":                           "17.jpg.png",
		"{row}.PNG":                           "17.PNG",
		"a:b/{row}":                           "a-b/17.png",
		DefaultTemplate:                       "b7k2m9q4x1-17-www.example.com.png",
		"{host}/{line}-{Product Title}.{ext}": "www.example.com/19-Crème brûlée- für 2 – „neu“.png",
	} {
		template, err := ParseTemplate(text, shown().Columns)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := template.Name(shown()); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestTemplateErrors checks that an error says what is wrong and what is possible.
func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "it is empty",
		" ":                       "it is empty",
		"/tmp/{row}":              "begins with a slash",
		"../{row}":                `it contains ".."`,
		"a/./{row}":               `it contains "."`,
		"a//{row}":                "is empty",
		"{row}/":                  "is empty",
		`a\{row}`:                 "separate folders with /",
		"{row":                    "a { is not closed",
		"row}":                    "a } has no {",
		"{}":                      "has no name",
		"{meta:}":                 "has no name",
		"{titel}":                 "no column {titel}: the variables are {attempt} {batch} ",
		"{title}":                 "and the columns {url} {SKU} {Product Title} {id} {Empty}",
		"{row|upper}":             `there is no filter "upper"`,
		"{row|0}":                 `there is no filter "0"`,
		"{row|999}":               "from 1 to 255",
		"1/2/3/4/5/6/7/8/9/{row}": "more than 8 folders",
		strings.Repeat("x", 5000): "longer than 4096 bytes",
	} {
		_, err := ParseTemplate(text, shown().Columns)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got error %v, want %q", text, err, want)
		}
	}
	if _, err := ParseTemplate("{sku}", nil); err == nil || !strings.Contains(err.Error(), "the input has no columns") {
		t.Errorf("without columns: got error %v", err)
	}
	open, err := ParseOpenTemplate("{row}-{sku}")
	if err != nil {
		t.Fatal(err)
	}
	if got := open.Columns(); !slices.Equal(got, []string{"sku"}) {
		t.Errorf("columns %q", got)
	}
	if got := open.Name(shown()); got != "17-SKU 1-2.png" {
		t.Errorf("open template: got %q", got)
	}
	other := shown()
	other.Columns = nil
	if got := open.Name(other); got != "17.png" {
		t.Errorf("open template without the column: got %q", got)
	}
}

// TestSafeNames checks names from values that a file system would refuse, or that
// would leave the folder.
func TestSafeNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 200)
	for value, want := range map[string]string{
		"..":                              "_.png",
		"../../etc/passwd":                "_..-etc-passwd.png",
		"/etc/passwd":                     "_etc-passwd.png",
		`C:\Windows\x`:                    "C--Windows-x.png",
		`\\server\share`:                  "_-server-share.png",
		"con":                             "_con.png",
		"CON.txt":                         "_CON.txt.png",
		"nul .x":                          "_nul .x.png",
		"Com¹":                            "_Com¹.png",
		"COM10":                           "COM10.png",
		"lpt9":                            "_lpt9.png",
		"CONIN$":                          "_CONIN$.png",
		"console":                         "console.png",
		"name. . ":                        "name.png",
		"  .hidden":                       "hidden.png",
		"-rf":                             "_rf.png",
		"a\x00b\tc\r\nd\x1b[31m":          "ab c d[31m.png",
		`<a>:"b"|?*`:                      "_a_-_b_-__.png",
		"a\u202egnp.exe":                  "agnp.exe.png",
		"a\u200bb\ufeff":                  "ab.png",
		"a\u2028b\u3000c":                 "a b c.png",
		"e\u0301":                         "é.png",
		"bad\xff\xfe":                     "bad_.png",
		"photo.png":                       "photo.png",
		"photo.PNG ":                      "photo.PNG",
		"photo.":                          "photo.png",
		"日本語/テスト":                         "日本語-テスト.png",
		"\U0001f469\u200d\U0001f680":      "\U0001f469\U0001f680.png",
		"\ue000\uffff":                    "__.png",
		long:                              strings.Repeat("ä", 125) + ".png",
		strings.Repeat("a", 300) + ".png": strings.Repeat("a", 251) + ".png",
	} {
		v := shown()
		v.Job.Cells[1] = value
		template, err := ParseTemplate("{SKU}", v.Columns)
		if err != nil {
			t.Fatal(err)
		}
		got := template.Name(v)
		if got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
		checkName(t, got)
	}
}

// TestShotsHaveNamesOfTheirOwn checks the suffix of further shots.
func TestShotsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	v := shown()
	v.File.Shot = 12
	v.Job.Cells[1] = strings.Repeat("x", 300)
	for text, want := range map[string]string{
		"{row}":        "17-12.png",
		"{row}.{ext}":  "17-12.png",
		"{row}/{shot}": "17/12.png",
		"{SKU}.{ext}":  strings.Repeat("x", 248) + "-12.png",
	} {
		template, err := ParseTemplate(text, v.Columns)
		if err != nil {
			t.Fatal(err)
		}
		if got := template.Name(v); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestLongPathsAreBounded checks that folders and the name are cut if the path is
// too long, and that no folder changes if a suffix is added.
func TestLongPathsAreBounded(t *testing.T) {
	t.Parallel()
	v := shown()
	v.Job.Cells[1] = strings.Repeat("日", 400)
	for folders := range maxFolders + 1 {
		template, err := ParseTemplate(strings.Repeat("{SKU}/", folders)+"{SKU}", v.Columns)
		if err != nil {
			t.Fatal(err)
		}
		name := template.Name(v)
		checkName(t, name)
		if len(name) < 600 && folders > 1 {
			t.Errorf("%d folders: the name has only %d bytes", folders, len(name))
		}
		other := AddSuffix(name, "-123456")
		checkName(t, other)
		if path.Dir(name) != path.Dir(other) || name == other {
			t.Errorf("the suffix changes %q to %q", name, other)
		}
	}
}

// FuzzTemplate checks that every name is valid on Linux, macOS and Windows and
// stays in the folder, whatever the template and the values are.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"..", "../x", "con", "a\x00b", "é", "e\u0301", "\xff", "x. .", strings.Repeat("日", 300), `\\?\C:\`, " - ", "manifest.csv", "Manife\u017ft.jsonl/x"} {
		f.Add("{host}/{line}-{title|slug}.{ext}", seed, seed, "https://"+seed+"/", uint8(1))
		f.Add("{title}/{title|40}", seed, "title", "https://a.test/"+seed, uint8(3))
		f.Add(seed, seed, seed, seed, uint8(0))
	}
	f.Fuzz(func(t *testing.T, text, cell, column, url string, shot uint8) {
		columns := []string{column, "title"}
		template, err := ParseTemplate(text, columns)
		if err != nil {
			if template, err = ParseOpenTemplate(text); err != nil {
				return
			}
		}
		v := Values{
			Job: jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, URL: url, State: jobs.Done, Tags: []string{cell}, Cells: []string{url, cell},
				Metadata: jobs.Metadata{column: cell}},
			File: jobs.File{Output: jobs.OutputImage, Shot: int(shot), Screenshot: cell}, Columns: columns, Extension: "webp",
		}
		name := template.Name(v)
		checkName(t, name)
		if again := template.Name(v); again != name {
			t.Errorf("got %q, then %q", name, again)
		}
		if !strings.HasSuffix(strings.ToLower(name), ".webp") {
			t.Errorf("%q lacks the extension", name)
		}
		other := AddSuffix(name, fmt.Sprintf("-%d", int(shot)+2))
		checkName(t, other)
		if other == name {
			t.Errorf("%q does not change with a suffix", name)
		}
	})
}

// FuzzSlug checks that a slug consists of words of letters, digits and marks.
func FuzzSlug(f *testing.F) {
	for _, seed := range []string{"", "Crème brûlée", "don't", "ガギグ", "한국어", "a--b", "ﬁ", "İI", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := slug(text)
		if strings.HasPrefix(got, "-") || strings.HasSuffix(got, "-") || strings.Contains(got, "--") || strings.ContainsAny(got, " /\\.:") {
			t.Errorf("%q: got %q", text, got)
		}
		if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) {
			t.Errorf("%q: %q is not in NFC", text, got)
		}
	})
}

// TestSlug checks slugs in several scripts.
func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"  Hello,  World! ": "hello-world",
		"Ünïcödé Straße":    "unicode-strasse",
		"Łódź & Ærø":        "lodz-aero",
		"don't stop":        "dont-stop",
		"ガギグ テスト":           "ガギグ-テスト",
		"й":                 "й",
		"한국어":               "한국어",
		"100 % / 50 %":      "100-50",
		"!!!":               "",
		"co\u00adoperate":   "cooperate",
	} {
		if got := slug(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// checkName fails the test if a name is not valid on one of the three systems. It
// does not use the code that is tested.
func checkName(t *testing.T, name string) {
	t.Helper()
	if len(name) > MaxName || !utf8.ValidString(name) || !norm.NFC.IsNormalString(name) {
		t.Errorf("%q has %d bytes, at most %d in NFC are valid", name, len(name), MaxName)
	}
	if path.Clean(name) != name || path.IsAbs(name) || name == "." || strings.HasPrefix(name, "..") {
		t.Errorf("%q might leave the folder", name)
	}
	switch first, _, _ := strings.Cut(name, "/"); strings.ToLower(strings.ToUpper(first)) {
	case "manifest.jsonl", "manifest.csv":
		t.Errorf("%q has the name of a file of the manifest", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || len(part) > 255 || strings.ContainsAny(part, `<>:"|?*\`) {
			t.Errorf("part %q of %q is not valid", part, name)
		}
		if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Errorf("part %q of %q has a control character", part, name)
		}
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || strings.HasPrefix(part, ".") || strings.HasPrefix(part, " ") || strings.HasPrefix(part, "-") {
			t.Errorf("part %q of %q begins or ends with a character that is not valid there", part, name)
		}
		base := strings.ToUpper(strings.TrimRight(strings.Split(part, ".")[0], " "))
		devices := []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
		for _, n := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"} {
			devices = append(devices, "COM"+n, "LPT"+n)
		}
		if slices.Contains(devices, base) {
			t.Errorf("part %q of %q is reserved by Windows", part, name)
		}
	}
}

// TestExtensions checks the extension of each type, and the expected one.
func TestExtensions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		output jobs.Output
		kind   string
		want   string
	}{
		{jobs.OutputImage, "image/png", "png"}, {jobs.OutputImage, "image/jpeg; q=1", "jpg"}, {jobs.OutputImage, "IMAGE/WEBP", "webp"},
		{jobs.OutputImage, "image/x-new", "bin"}, {jobs.OutputImage, "", "bin"}, {jobs.OutputHTML, "text/plain", "html"},
		{jobs.OutputPDF, "application/pdf", "pdf"}, {jobs.OutputVideo, "video/mp4", "mp4"}, {jobs.OutputVideo, "image/gif", "gif"},
	} {
		if got := Extension(test.output, test.kind); got != test.want {
			t.Errorf("%s %q: got %q, want %q", test.output, test.kind, got, test.want)
		}
	}
	for _, test := range []struct {
		output     jobs.Output
		job, batch jobs.Params
		want       string
	}{
		{jobs.OutputImage, nil, nil, "png"}, {jobs.OutputImage, nil, jobs.Params{"format": "webmp"}, "webp"},
		{jobs.OutputImage, jobs.Params{"format": "JPEG"}, jobs.Params{"format": "png"}, "jpg"}, {jobs.OutputImage, jobs.Params{"format": "new"}, nil, "png"},
		{jobs.OutputHTML, nil, nil, "html"}, {jobs.OutputPDF, nil, nil, "pdf"}, {jobs.OutputVideo, nil, nil, "mp4"},
		{jobs.OutputVideo, jobs.Params{"video_format": "webm"}, nil, "webm"},
	} {
		if got := ExpectedExtension(test.output, test.job, test.batch); got != test.want {
			t.Errorf("%s %v %v: got %q, want %q", test.output, test.job, test.batch, got, test.want)
		}
	}
}
