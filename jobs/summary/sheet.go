package summary

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed" // for the parts of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"

	"shotline/jobs"
	"shotline/jobs/number"
)

const (
	// inlineRows is the maximum number of rows whose cards are all part of the page.
	// Browsers still scroll that many images smoothly.
	inlineRows = 500
	// leadRows is the number of cards in a page with more rows. They are displayed
	// until the script has replaced them.
	leadRows = 60
	// noteWidth is the maximum length of a displayed reason in characters.
	noteWidth = 600
)

var (
	//go:embed sheet.html
	sheetHTML string
	//go:embed sheet.css
	sheetStyle string
	//go:embed sheet.js
	sheetScript string

	sheetTemplate = template.Must(template.New("sheet").Parse(sheetHTML))
)

// Sheet says how a contact sheet looks and where its parts are.
type Sheet struct {
	// Image returns the address of a done job's image, see Card.Image. It can be
	// called several times for a job. If it is nil, the sheet has no images.
	Image func(jobs.Job) (string, error)
	// Originals returns whether the image at an address is the whole image and not a
	// smaller one. The card then links to it, and not to the vendor's. It can be nil.
	Originals func(address string) bool
	// LocalImages means that no image has an http or https address. The page then
	// loads nothing from the network.
	LocalImages bool
	// Captions are names of columns, or of metadata, that each card shows. See
	// CheckCaptions.
	Captions []string
	// FailedFirst puts rows that ended without an image before the others.
	FailedFirst bool
	// WriteFile writes a file into Folder, which is beside the page. The names begin
	// with FilePrefix. If WriteFile is nil, everything is in the page.
	WriteFile          func(name string, content func(io.Writer) error) error
	Folder, FilePrefix string
	// Page, if it is not 0, selects a part of the rows, and a page without a script:
	// page 1 has the first PageRows rows.
	Page int
	// PageLink returns the address of another page. It is used only with Page.
	PageLink func(page int) string
}

// PageRows is the number of rows on a page, see Sheet.Page.
const PageRows = 500

// WriteHTML writes the contact sheet: a web page that can be opened from disk. It
// reads the rows in pages, so its memory use grows by only a few bytes per row.
//
// If the batch has more than 500 rows, the cards are in blocks that the script of
// the page reads as they come into view. The blocks are files of Sheet.Folder, or
// elements of the page if there is no folder.
//
// Text from outside is never executed. Addresses from outside become links only
// if they are http or https.
func WriteHTML(ctx context.Context, w io.Writer, src RowSource, s Summary, sheet Sheet) error {
	out := bufio.NewWriter(w)
	p := pageWriter{Sheet: sheet, ctx: ctx, src: src, s: s, out: out, style: newCardStyle(sheet)}
	err := p.resolveCaptions()
	if err == nil && sheet.Page > 0 {
		err = p.writePart()
	} else if err == nil {
		err = p.writeAll()
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("contact sheet of %s: %w", s.BatchID, err)
	}
	return nil
}

// pageWriter writes the page of a sheet.
type pageWriter struct {
	Sheet
	ctx   context.Context
	src   RowSource
	s     Summary
	out   *bufio.Writer
	style cardStyle
}

// long reports whether only some of the cards are part of the page.
func (p *pageWriter) long() bool { return p.s.Rows > inlineRows }

func (p *pageWriter) execute(name string, data any) error {
	return sheetTemplate.ExecuteTemplate(p.out, name, data)
}

// writeAll writes a page with all rows.
func (p *pageWriter) writeAll() error {
	h := p.newHead()
	h.Long, h.Shown, h.Folder, h.FailedFirst = p.long(), leadRows, p.Folder, p.FailedFirst
	for i, state := range jobs.States {
		if p.s.Of(state) > 0 {
			h.States = append(h.States, stateView{Code: string(stateCode(i)), Name: label(state)})
		}
	}
	if err := p.execute("head", h); err != nil {
		return err
	}
	if err := p.writeCards(); err != nil {
		return err
	}
	if err := p.execute("grid-end", nil); err != nil {
		return err
	}
	if err := p.writeBlocks(); err != nil {
		return err
	}
	f := p.newFoot()
	f.Script = template.JS(sheetScript) // #nosec G203 -- our own
	if p.long() {
		f.Blank = &cardView{Captions: make([]captionView, len(p.style.captions))}
	}
	return p.execute("foot", f)
}

// writeCards writes the cards that are part of the page, in their initial order.
func (p *pageWriter) writeCards() error {
	left := -1 // all
	if p.long() {
		left = leadRows
	}
	passes := []func(jobs.Job) bool{func(jobs.Job) bool { return true }}
	if p.FailedFirst {
		passes = []func(jobs.Job) bool{func(j jobs.Job) bool { return flawed(j.State) }, func(j jobs.Job) bool { return !flawed(j.State) }}
	}
	for _, pass := range passes {
		if left == 0 {
			return nil
		}
		for card, err := range cards(p.ctx, p.src, p.s.BatchID, 0, pass, p.Image) {
			if err != nil {
				return err
			}
			if err := p.execute("card", p.style.view(card)); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
	return nil
}

// head is the data of the page above the cards.
type head struct {
	Policy, Title, Batch, State, PauseReason string
	Style                                    template.CSS
	Facts                                    []string
	Figures                                  []figure
	Ways                                     []provenanceCount
	Reasons                                  []reasonLine
	Pages                                    *pageLinks // nil if the page has all rows

	// Only if the page has all rows.
	States      []stateView
	FailedFirst bool
	Long        bool
	Shown       int
	Folder      string
}

// stateView is a state to filter by.
type stateView struct{ Code, Name string }

// figure is one number with its name.
type figure struct{ Name, Value, Class string }

// provenanceCount is the number of jobs that one provenance closed.
type provenanceCount struct{ Name, Count string }

// reasonLine is one reason with its links: to all rows, and to the first one.
type reasonLine struct {
	Count, State, Class, Text, All, First, Place string
}

func (p *pageWriter) newHead() head {
	s := p.s
	h := head{
		Policy: p.policy(), Style: template.CSS(sheetStyle), // #nosec G203 -- our own
		Title: s.Source, Batch: s.BatchID, State: string(s.State), PauseReason: s.PauseReason,
	}
	if h.Title == "" {
		h.Title = "Batch " + s.BatchID
	}
	h.Facts = []string{number.Of(s.Rows, "row")}
	if !s.CreatedAt.IsZero() {
		h.Facts = append(h.Facts, moment(s.CreatedAt))
	}
	if s.PerMinute > 0 {
		h.Facts = append(h.Facts, rate(s.PerMinute)+" a minute")
	}
	if s.Revision > 1 {
		h.Facts = append(h.Facts, "changed after its first end")
	}
	h.Figures = figures(s)
	for _, by := range jobs.Provenances {
		if n := s.ClosedBy[by]; n > 0 {
			h.Ways = append(h.Ways, provenanceCount{Name: string(by), Count: number.Grouped(n)})
		}
	}
	h.Reasons = p.reasonLines()
	return h
}

// reasonLines returns the reasons with links to their rows. A page of a part of
// the rows cannot filter, so it has only links to the first row of a reason.
func (p *pageWriter) reasonLines() []reasonLine {
	var lines []reasonLine
	rest := flawedRows(p.s)
	for i, r := range p.s.Reasons {
		rest -= r.Count
		line := reasonLine{
			Count: number.Grouped(r.Count), State: label(r.State), Class: string(r.State), Text: reasonText(r.Error),
			Place: Place(r.FirstJob.Row, r.Line),
		}
		if r.Count > 1 {
			line.Place = "first: " + line.Place
		}
		if !r.FirstJob.IsZero() && (p.Page > 0 || r.Count == 1) {
			line.First = p.style.rowLink(r.FirstJob.Row)
		}
		if p.Page == 0 && r.Count > 1 {
			line.All = "#reason-" + string(reasonCode(i))
		}
		lines = append(lines, line)
	}
	if rest > 0 && len(lines) > 0 {
		line := reasonLine{Count: number.Grouped(rest), Text: "other reasons"}
		if p.Page == 0 {
			line.All = "#reason-" + string(otherReason)
		}
		lines = append(lines, line)
	}
	return lines
}

func reasonText(text string) string {
	if text = PlainLine(text, noteWidth); text == "" {
		return "no reason given"
	}
	return text
}

// flawed reports whether a row ended without an image and is not a duplicate.
func flawed(s jobs.State) bool {
	return s == jobs.Failed || s == jobs.TimedOut || s == jobs.Canceled || s == jobs.Rejected
}

func flawedRows(s Summary) int64 { return s.Failed + s.TimedOut + s.Canceled + s.Rejected }

// policy returns the Content-Security-Policy of the page. Without a host, 'self'
// does not match files beside the page in all browsers, but file: does.
func (p *pageWriter) policy() string {
	parts := []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "style-src " + hashSource(sheetStyle)}
	images := "img-src 'self' file: data:"
	if !p.LocalImages {
		images += " http: https:"
	}
	parts = append(parts, images)
	if p.Page == 0 {
		script := "script-src " + hashSource(sheetScript)
		if p.WriteFile != nil {
			script += " 'self' file:"
		}
		parts = append(parts, script)
	}
	return strings.Join(parts, "; ")
}

func hashSource(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// foot is the data of the page below the cards.
type foot struct {
	Pages    *pageLinks
	Computed string
	Blank    *cardView // a card that is not loaded yet; nil if there are none
	Script   template.JS
}

func (p *pageWriter) newFoot() foot {
	var f foot
	if !p.s.ComputedAt.IsZero() {
		f.Computed = moment(p.s.ComputedAt)
	}
	return f
}

// fileLink returns the beginning of the addresses of all files, relative to the
// page.
func (p *pageWriter) fileLink() string {
	return "./" + url.PathEscape(p.Folder) + "/" + url.PathEscape(p.FilePrefix)
}
