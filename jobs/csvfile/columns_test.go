package csvfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// readNotes reads all rows of a table and returns its notes.
func readNotes(t *testing.T, text string, opts csvfile.Options) (notes []string, rows []jobs.Request) {
	t.Helper()
	r, err := csvfile.Open(strings.NewReader(text), opts)
	if err != nil {
		t.Fatal(err)
	}
	for {
		request, err := r.Next()
		if err != nil {
			return r.Notes(), rows
		}
		rows = append(rows, request)
	}
}

// TestColumns checks the role of columns by their header and their values.
func TestColumns(t *testing.T) {
	for _, test := range []struct {
		name, text string
		notes      []string
		params     []jobs.Params
		metadata   []jobs.Metadata
	}{
		{
			name: "columns of a list of products are the user's own",
			text: "SKU,Name,Size,Width,Height,Format,URL\n" +
				"A1,Shirt,XL,,,,https://example.com/a\n" +
				"A2,Mug,,8.5,10,,https://example.com/b\n" +
				"A4,Manual,,,,PDF,https://example.com/d\n" +
				"A5,Rug,,60 cm,,,https://example.com/e\n",
			notes: []string{
				`column "Size": not a parameter, because line 2 has "XL", not screen or page; param:Size sends it`,
				`column "Width": not a parameter, because line 3 has "8.5", not a whole number from 100 to 10000`,
				`column "Height": not a parameter, because line 3 has "10", not a whole number from 100 to 20000`,
				`column "Format": not a parameter, because line 4 has "PDF", not png, jpeg, jpg, webp or webmp`,
			},
			params: []jobs.Params{nil, nil, nil, nil},
			metadata: []jobs.Metadata{{"SKU": "A1", "Name": "Shirt", "Size": "XL"}, {"SKU": "A2", "Name": "Mug", "Width": "8.5", "Height": "10"},
				{"SKU": "A4", "Name": "Manual", "Format": "PDF"}, {"SKU": "A5", "Name": "Rug", "Width": "60 cm"}},
		},
		{
			name: "a column of ticket keys is the user's own",
			text: "Status,Key,Title,URL,Error,ID,Timeout\nDone,WEB-1,Home,https://example.com/,,7,30\n",
			metadata: []jobs.Metadata{{"Status": "Done", "Key": "WEB-1", "Title": "Home",
				"ID": "7", "Timeout": "30"}},
			params: []jobs.Params{nil},
		},
		{
			name: "a column of languages with a list is the user's own",
			text: "\"Referring page title\"\t\"url\"\t\"Language\"\t\"Target URL\"\n" +
				"\"A\"\t\"https://example.com/a\"\t\"es, en\"\t\"https://shop.example/\"\n" +
				"\"B\"\t\"https://example.com/b\"\t\"en\"\t\"https://shop.example/\"\n",
			notes:  []string{`column "Language": not a parameter, because line 2 has "es, en"; param:Language sends it`},
			params: []jobs.Params{nil, nil},
			metadata: []jobs.Metadata{{"Referring page title": "A", "Language": "es, en", "Target URL": "https://shop.example/"},
				{"Referring page title": "B", "Language": "en", "Target URL": "https://shop.example/"}},
		},
		{
			name: "columns with plausible values are parameters, the older names included",
			text: "url,quality,full_page,region,video_length,Language,width\na.test,80,true,bavaria,5,fr-FR,\nb.test,,,,,en,1280\n",
			notes: []string{`column "quality": sent as parameter quality`, `column "full_page": sent as parameter full_page`,
				`column "region": sent as parameter region`, `column "video_length": sent as parameter video_length`,
				`column "Language": sent as parameter language`, `column "width": sent as parameter width`},
			params:   []jobs.Params{{"quality": 80.0, "full_page": true, "region": "bavaria", "video_length": 5.0, "language": "fr-FR"}, {"language": "en", "width": 1280.0}},
			metadata: []jobs.Metadata{nil, nil},
		},
		{
			name: "prefixes decide by force",
			text: "url,param:Width,meta:format,PARAM.cookie,Meta.tags\na.test,8,png,x,y\n",
			notes: []string{`column "param:Width": sent as parameter width`,
				`column "PARAM.cookie": sent as parameter cookie`},
			params:   []jobs.Params{{"width": 8.0, "cookie": "x"}},
			metadata: []jobs.Metadata{{"format": "png", "tags": "y"}},
		},
		{
			name: "a forced column wins over one with the same name",
			text: "url,Width,param:width\na.test,800,900\n",
			notes: []string{`column "Width": not a parameter, because column "param:width" sets width`,
				`column "param:width": sent as parameter width`},
			params:   []jobs.Params{{"width": 900.0}},
			metadata: []jobs.Metadata{{"Width": "800"}},
		},
		{
			name: "misspelt names are pointed out",
			text: "url,widht,param:heigth,Screen Width,Weight\na.test,800,900,1280,3\n",
			notes: []string{`column "widht": not a parameter; did you mean width?`,
				`column "param:heigth": sent, but not a documented parameter; did you mean height?`,
				`column "Screen Width": not a parameter; did you mean screen_width?`},
			params:   []jobs.Params{{"heigth": "900"}},
			metadata: []jobs.Metadata{{"widht": "800", "Screen Width": "1280", "Weight": "3"}},
		},
		{
			name:     "names with and without a prefix",
			text:     "url,title,meta.title,meta:Width,Width,meta:ref\na.test,1,2,3,4,5\n",
			notes:    []string{`column "Width": not a parameter, because line 2 has "4", not a whole number from 100 to 10000; param:Width sends it`},
			params:   []jobs.Params{nil},
			metadata: []jobs.Metadata{{"title": "1", "meta.title": "2", "meta:Width": "3", "Width": "4", "ref": "5"}},
		},
		{
			name:     "apps are set for the batch",
			text:     "url,apps,job:retries\na.test,12,3\n",
			notes:    []string{`column "apps": not a parameter, because the apps to notify are set for the whole batch, by --app-id`, `column "job:retries": not an option; the options of a row are job:callback_url, job:priority, job:timeout`},
			params:   []jobs.Params{nil},
			metadata: []jobs.Metadata{{"apps": "12", "job:retries": "3"}},
		},
		{
			name:     "messages do not contain secrets",
			text:     "url,Cookie\na.test,hunter2\n",
			notes:    []string{`column "Cookie": not a parameter, because line 2 has a value that is no cookie; param:Cookie sends it`},
			params:   []jobs.Params{nil},
			metadata: []jobs.Metadata{{"Cookie": "hunter2"}},
		},
		{
			name:     "rows that cannot be read do not decide",
			text:     "url,width\na.test,wide,surplus\nb.test,w\xffde\nc.test,\"wide\nd.test,800\n",
			notes:    []string{`column "width": sent as parameter width`},
			params:   []jobs.Params{nil, nil, nil, {"width": 800.0}},
			metadata: []jobs.Metadata{nil, nil, nil, nil},
		},
		{
			name:     "two own columns whose names differ in case",
			text:     "url,Width,width\na.test,8,9\n",
			notes:    []string{`column "Width": not a parameter, because line 2 has "8", not a whole number from 100 to 10000; param:Width sends it`, `column "width": not a parameter, because line 2 has "9", not a whole number from 100 to 10000`},
			params:   []jobs.Params{nil},
			metadata: []jobs.Metadata{{"Width": "8", "width": "9"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			notes, rows := readNotes(t, test.text, csvfile.Options{})
			if diff := cmp.Diff(test.notes, notes); diff != "" {
				t.Errorf("notes: %s", diff)
			}
			if len(rows) != len(test.params) {
				t.Fatalf("%d rows, want %d", len(rows), len(test.params))
			}
			for i, row := range rows {
				if strings.Contains(test.name, "cannot be read") && row.Reject != "" {
					continue
				}
				if diff := cmp.Diff(test.params[i], row.Params) + cmp.Diff(test.metadata[i], row.Metadata); diff != "" || row.Reject != "" {
					t.Errorf("row %d: %s%s", i+1, row.Reject, diff)
				}
			}
		})
	}
}

// TestImplausibleValueInTheLastRow checks that one value decides about the whole
// column, however late it comes.
func TestImplausibleValueInTheLastRow(t *testing.T) {
	text := "url,width\n" + strings.Repeat("a.test,800\n", 50_000) + "a.test,wide\n"
	notes, rows := readNotes(t, text, csvfile.Options{})
	want := []string{`column "width": not a parameter, because line 50002 has "wide", not a whole number from 100 to 10000; param:width sends it`}
	if diff := cmp.Diff(want, notes); diff != "" || rows[0].Params != nil || rows[0].Metadata["width"] != "800" {
		t.Errorf("the first row is %+v, notes: %s", rows[0], diff)
	}
}

func TestRowOptions(t *testing.T) {
	opts := csvfile.Options{CheckURL: func(url string) error {
		if !strings.HasPrefix(url, "https://") {
			return errors.New("no")
		}
		return nil
	}}
	notes, rows := readNotes(t, "url,job:timeout,JOB:priority,job:callback_url\n"+
		"a.test,90s,-7,https://shop.test/hook\n"+
		"b.test,,,\n"+
		"c.test,soon,,\n"+
		"d.test,,101,\n"+
		"e.test,,high,\n"+
		"f.test,,,ftp://shop.test/\n", opts)
	if notes != nil {
		t.Errorf("notes %q, want none", notes)
	}
	if a := rows[0]; a.Reject != "" || a.Timeout != 90*time.Second || *a.Priority != -7 || a.CallbackURL != "https://shop.test/hook" || a.Metadata != nil {
		t.Errorf("the options of the first row are %+v", a)
	}
	if b := rows[1]; b.Reject != "" || b.Timeout != 0 || b.Priority != nil || b.CallbackURL != "" {
		t.Errorf("the row without options has %+v", b)
	}
	for i, want := range []string{"timeout: want a duration", "priority: want -100 to 100", "priority: want a whole number", "callback_url: no"} {
		if got := rows[i+2].Reject; !strings.HasPrefix(got, want) {
			t.Errorf("row %d is rejected for %q, want %q", i+3, got, want)
		}
	}
}

// A note on every kind of column that is not in the table of the README would
// be noise.
func TestOwnColumnsHaveNoNotes(t *testing.T) {
	for _, header := range []string{"Title", "title", "SKU", "Price", "State", "Status", "Status Code", "Content Type", "Clicks", "Impressions", "CTR",
		"Position", "Weight", "County", "Name", "Email", "Notes", "Region Name", "Link Type", "Domain", "Category", "Brand", "Color", "Stock", "Source",
		"Medium", "Date", "Time", "Owner", "Team", "Comment", "Word Count", "Response Time", "Indexability", "Canonical", "Meta Description 1", "H1-1"} {
		notes, _ := readNotes(t, fmt.Sprintf("url,%s\na.test,1\n", header), csvfile.Options{})
		if len(notes) > 0 {
			t.Errorf("%s", notes[0])
		}
	}
}
