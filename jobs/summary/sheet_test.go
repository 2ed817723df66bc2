package summary

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"shotline/jobs"
)

// sheetOf writes a sheet with the given cards.
func sheetOf(t *testing.T, s Summary, limit int, cards ...Card) string {
	t.Helper()
	var out bytes.Buffer
	next := func() (Card, error) {
		if len(cards) == 0 {
			return Card{}, io.EOF
		}
		c := cards[0]
		cards = cards[1:]
		return c, nil
	}
	if err := WriteHTML(&out, s, Sheet{Next: next, Limit: limit}); err != nil {
		t.Fatal(err)
	}
	return out.String()
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
			page := sheetOf(t, Summary{Source: text, PauseReason: text, Rows: 1, Reasons: []Reason{{State: state, Error: text}}}, 0,
				Card{
					Job:      jobs.Job{ID: jobs.ID{Batch: "b", Row: 1}, URL: text, ImageURL: text, Error: text, State: state, DuplicateOf: 1},
					Image:    text,
					Original: &jobs.Job{State: jobs.State(text)},
				})
			page = strings.Join(strings.Fields(page), " ")
			for _, bad := range []string{"<script", "<img src=x", `' onload='`, "ZgotmplZ"} {
				if strings.Contains(page, bad) {
					t.Errorf("%q as %s: page contains %q", text, state, bad)
				}
			}
			for _, link := range linkAttribute.FindAllStringSubmatch(page, -1) {
				if !harmless(html.UnescapeString(link[1])) {
					t.Errorf("%q as %s: links to %q", text, state, link[1])
				}
			}
		}
	}
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

func TestCardsLimit(t *testing.T) {
	card := func(row int64) Card { return Card{Job: jobs.Job{ID: jobs.ID{Batch: "b", Row: row}, State: jobs.Done}} }
	page := sheetOf(t, Summary{Rows: 1500}, 2, card(1), card(2), card(3))
	if n := strings.Count(page, "<figure"); n != 2 {
		t.Errorf("%d cards, want 2", n)
	}
	if !strings.Contains(page, "1,498 more rows not shown") {
		t.Error("the number of missing rows is not shown")
	}
	if page := sheetOf(t, Summary{Rows: 1}, 0, card(1)); strings.Contains(page, "not shown") {
		t.Error("the page shows missing rows, want none")
	}
}

func TestDuplicateLinksToItsOriginal(t *testing.T) {
	page := sheetOf(t, Summary{Rows: 4}, 0, Card{
		Job:      jobs.Job{ID: jobs.ID{Batch: "b", Row: 4}, URL: "https://user:secret@a.example/", State: jobs.Duplicate, DuplicateOf: 1},
		Original: &jobs.Job{State: jobs.TimedOut},
	})
	if !strings.Contains(page, `<a href="#row-1">row 1</a>, timed out`) {
		t.Error("no link to the original")
	}
	if strings.Contains(page, "secret") {
		t.Error("the page contains a password")
	}
}

func TestSheetIsWrittenCardByCard(t *testing.T) {
	var out bytes.Buffer
	n := 0
	longest := 0
	next := func() (Card, error) {
		n++
		longest = max(longest, n*300-out.Len()) // the unwritten part must fit into a buffer
		return Card{Job: jobs.Job{ID: jobs.ID{Batch: "b", Row: int64(n)}, URL: fmt.Sprintf("https://a.example/%d", n), State: jobs.Done}}, nil
	}
	if err := WriteHTML(&out, Summary{Rows: 5000}, Sheet{Next: next, Limit: 5000}); err != nil {
		t.Fatal(err)
	}
	if longest > 16<<10 {
		t.Errorf("%d bytes were buffered", longest)
	}
}

func TestCards(t *testing.T) {
	f := shopBatch()
	next := Cards(t.Context(), f, f.batch.ID, func(j jobs.Job) (string, error) {
		if j.State != jobs.Done {
			t.Errorf("the image of a %s job was requested", j.State)
		}
		return j.ScreenshotID, nil
	})
	for i := range f.rows {
		card, err := next()
		if err != nil || card.Job.ID.Row != int64(i+1) {
			t.Fatalf("card %d: %v, %v", i, card.Job.ID, err)
		}
	}
	for range 2 {
		if _, err := next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last card: %v", err)
		}
	}
	f.err = jobs.ErrUnavailable
	err := WriteHTML(io.Discard, Summary{BatchID: "b"}, Sheet{Next: Cards(t.Context(), f, f.batch.ID, nil)})
	if !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("broken source: got %v", err)
	}
	if err := WriteHTML(brokenWriter{}, Summary{}, Sheet{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: got %v", err)
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
