package compare

import (
	"bufio"
	"context"
	_ "embed" // for the parts of the page
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"

	"shotline/jobs"
	"shotline/jobs/number"
	"shotline/jobs/summary"
)

var (
	//go:embed compare.html
	pageHTML string
	//go:embed compare.css
	ownStyle string

	pageTemplate = template.Must(template.New("compare").Parse(pageHTML))
	pageStyle    = summary.PageStyle() + ownStyle
)

// PageChanges is the number of changes on a page.
const PageChanges = 200

// Pages says where the parts of an HTML report are.
type Pages struct {
	// WriteFile writes a page into Folder, which is beside the first page. The names
	// begin with FilePrefix. If WriteFile is nil, everything is in one page.
	WriteFile          func(name string, content func(io.Writer) error) error
	Folder, FilePrefix string
	First              string // name of the first page
}

// WriteHTML writes the report as web pages that can be opened from disk. They have
// no scripts and load nothing except the pictures. Pages after the first one are in
// the folder. Text from outside is never executed, and addresses become links only
// if they are http or https.
func WriteHTML(ctx context.Context, w io.Writer, r *Report, pages Pages) error {
	if pages.WriteFile == nil {
		return htmlPage{r, pages, 1, 1, max(r.Len(), 1)}.write(ctx, w)
	}
	last := max((r.Len()+PageChanges-1)/PageChanges, 1)
	for number := last; number > 1; number-- {
		p := htmlPage{r, pages, number, last, PageChanges}
		if err := pages.WriteFile(pages.name(number), func(w io.Writer) error { return p.write(ctx, w) }); err != nil {
			return err
		}
	}
	return htmlPage{r, pages, 1, last, PageChanges}.write(ctx, w)
}

// name returns the name of the file of a page.
func (p Pages) name(number int) string { return fmt.Sprintf("%spage-%d.html", p.FilePrefix, number) }

// htmlPage is one page.
type htmlPage struct {
	*Report
	pages        Pages
	number, last int
	size         int // changes of a page
}

// link returns the address of a page from this one, or "" if there is none.
func (p htmlPage) link(number int) string {
	switch {
	case number < 1 || number > p.last:
		return ""
	case number == 1 && p.number == 1:
		return "#"
	case number == 1:
		return "../" + url.PathEscape(p.pages.First)
	case p.number == 1:
		return "./" + url.PathEscape(p.pages.Folder) + "/" + url.PathEscape(p.pages.name(number))
	}
	return "./" + url.PathEscape(p.pages.name(number))
}

// picture returns the address of a picture from this page. Those in reports are
// relative to the first page.
func (p htmlPage) picture(address string) template.URL {
	if _, web := summary.PageAddress(address); !web && address != "" && p.number > 1 {
		address = "../" + address
	}
	return summary.ImageAddress(address)
}

type pageFigure struct{ Name, Value string }

type pageView struct {
	Policy, Title, Range        string
	Style                       template.CSS
	Batches, Notes              []string
	Figures                     []pageFigure
	Many, Any                   bool
	First, Previous, Next, Last string
}

func (p htmlPage) view() pageView {
	v := pageView{
		Policy: strings.Join([]string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "style-src " + summary.StyleSource(pageStyle), "img-src 'self' file: data:"}, "; "),
		Style:  template.CSS(pageStyle), // #nosec G203 -- our own
		Title:  p.B.Source, Notes: p.Notes(), Many: p.last > 1, Any: p.Len() > 0,
	}
	if v.Title == "" {
		v.Title = "Batch " + p.B.ID
	}
	for i, b := range []jobs.Batch{p.A, p.B} {
		name := []string{"before", "after"}[i]
		v.Batches = append(v.Batches, fmt.Sprintf("%s: batch %s · %s · %s", name, b.ID, number.Of(b.Counts.Rows, "row"), summary.Moment(b.CreatedAt)))
	}
	add := func(name string, n int64) { v.Figures = append(v.Figures, pageFigure{name, number.Grouped(n)}) }
	add("same", p.Counts.Same)
	add("changed", p.Counts.Changed)
	for _, k := range Kinds {
		if n := p.Counts.Kinds[k]; n > 0 {
			add(pageNames[k], n)
		}
	}
	first := (p.number-1)*p.size + 1
	v.Range = fmt.Sprintf("changes %s to %s of %s", number.Grouped(int64(first)), number.Grouped(int64(min(first+p.size-1, p.Len()))), number.Grouped(int64(p.Len())))
	if p.number > 1 {
		v.First, v.Previous = p.link(1), p.link(p.number-1)
	}
	if p.number < p.last {
		v.Next, v.Last = p.link(p.number+1), p.link(p.last)
	}
	return v
}

// pageNames are the names of kinds on a page.
var pageNames = map[Kind]string{
	OnlyA: "only before", OnlyB: "only after", State: "other state", Picture: "other picture", FinalURL: "other final URL", Title: "other title",
	Cost: "other cost", NotCompared: "not compared",
}

type changeText struct{ Class, Name, Text string }

type changePicture struct {
	Name, Alt, Note string
	Image           template.URL
	Width, Height   int // 0: not known
}

type changeView struct {
	Number               int
	Link, Address, Place string
	Texts                []changeText
	Pictures             []changePicture
}

func (p htmlPage) change(number int, c Change) changeView {
	j := c.Job()
	v := changeView{Number: number, Address: Address(j), Place: summary.Place(j.ID.Row, j.Line)}
	if link, ok := summary.PageAddress(j.URL); ok {
		v.Link = link
	}
	for i, text := range c.Texts() {
		kind := c.Kinds[i]
		name, rest := pageNames[kind], text
		for _, prefix := range []string{kindNames[kind] + ": ", kindNames[kind] + ", "} {
			rest = strings.TrimPrefix(rest, prefix)
		}
		v.Texts = append(v.Texts, changeText{"is-" + string(kind), name, summary.PlainLine(rest, 600)})
	}
	l := c.Look
	if l.A.Image == "" && l.B.Image == "" && l.Difference == "" {
		return v
	}
	size := func(name string, s Shown) string {
		if s.Width == 0 {
			return name
		}
		return fmt.Sprintf("%s · %d × %d", name, s.Width, s.Height)
	}
	missing := "no picture"
	if l.Reason != "" {
		missing = summary.PlainLine(l.Reason, 300)
	}
	v.Pictures = []changePicture{
		{size("before", l.A), "Before: " + v.Address, missing, p.picture(l.A.Image), l.A.Width, l.A.Height},
		{size("after", l.B), "After: " + v.Address, missing, p.picture(l.B.Image), l.B.Width, l.B.Height},
		{"difference", "Difference: " + v.Address, "", p.picture(l.Difference), max(l.A.Width, l.B.Width), max(l.A.Height, l.B.Height)},
	}
	if c.Has(Picture) {
		v.Pictures[2].Name += " · " + Percent(l.Share)
	}
	return v
}

func (p htmlPage) write(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	view := p.view()
	if err := pageTemplate.ExecuteTemplate(out, "page", view); err != nil {
		return err
	}
	first := (p.number - 1) * p.size
	number := first
	for c, err := range p.changesFrom(ctx, first) {
		if err != nil {
			return err
		}
		if number == first+p.size {
			break
		}
		number++
		if err := pageTemplate.ExecuteTemplate(out, "change", p.change(number, c)); err != nil {
			return err
		}
	}
	if err := pageTemplate.ExecuteTemplate(out, "end", view); err != nil {
		return err
	}
	return out.Flush()
}
