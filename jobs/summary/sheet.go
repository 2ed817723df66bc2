package summary

import (
	"bufio"
	_ "embed" // for sheet.html
	"errors"
	"fmt"
	"html/template"
	"io"

	"shotline/jobs"
)

// sheetLimit is the default for Sheet.Limit. Browsers still scroll that many
// images smoothly.
const sheetLimit = 500

// noteWidth is the maximum length of a displayed reason in characters.
const noteWidth = 600

//go:embed sheet.html
var sheetHTML string

var sheetTemplate = template.Must(template.New("sheet").Parse(sheetHTML))

// Sheet is the source of the cards of a contact sheet.
type Sheet struct {
	// Next returns the next card, and io.EOF after the last one, see Cards. If it
	// is nil, the sheet has no cards.
	Next func() (Card, error)
	// Limit is the maximum number of cards; 0 means 500. If there are more rows,
	// the end of the sheet shows how many are missing.
	Limit int
}

// WriteHTML writes the contact sheet: one web page that needs no other files
// except the images that cards link to. Each card is written as soon as it is
// read, so memory use does not depend on their number. Addresses from outside
// become links only if they are http or https.
func WriteHTML(w io.Writer, s Summary, sheet Sheet) error {
	out := bufio.NewWriter(w)
	if err := writeSheet(out, s, sheet); err != nil {
		return fmt.Errorf("contact sheet of %s: %w", s.BatchID, err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("contact sheet of %s: %w", s.BatchID, err)
	}
	return nil
}

func writeSheet(out io.Writer, s Summary, sheet Sheet) error {
	if err := sheetTemplate.ExecuteTemplate(out, "head", newHead(s)); err != nil {
		return err
	}
	limit := sheet.Limit
	if limit <= 0 {
		limit = sheetLimit
	}
	shown := 0
	for sheet.Next != nil && shown < limit {
		card, err := sheet.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := sheetTemplate.ExecuteTemplate(out, "card", newCardView(card)); err != nil {
			return err
		}
		shown++
	}
	return sheetTemplate.ExecuteTemplate(out, "foot", newFoot(s, int64(shown)))
}

// head is the data of the page above the cards.
type head struct {
	Title, Batch, State, PauseReason string
	Facts                            []string
	Figures                          []figure
	Ways                             []provenanceCount
	Reasons                          []reasonLine
}

// figure is one number with its name.
type figure struct{ Name, Value, Class string }

// provenanceCount is the number of jobs that one provenance closed.
type provenanceCount struct{ Name, Count string }

type reasonLine struct {
	Count, State, Class, Text string
	Row                       int64
	Place                     string
}

func newHead(s Summary) head {
	h := head{Title: s.Source, Batch: s.BatchID, State: string(s.State), PauseReason: s.PauseReason}
	if h.Title == "" {
		h.Title = "Batch " + s.BatchID
	}
	h.Facts = []string{counted(s.Rows, "row")}
	if !s.CreatedAt.IsZero() {
		h.Facts = append(h.Facts, moment(s.CreatedAt))
	}
	if s.PerMinute > 0 {
		h.Facts = append(h.Facts, rate(s.PerMinute)+" a minute")
	}
	if s.Revision > 1 {
		h.Facts = append(h.Facts, fmt.Sprintf("revision %d", s.Revision))
	}
	h.Figures = figures(s)
	for _, p := range jobs.Provenances {
		if n := s.ClosedBy[p]; n > 0 {
			h.Ways = append(h.Ways, provenanceCount{Name: string(p), Count: grouped(n)})
		}
	}
	for _, r := range s.Reasons {
		text := PlainLine(r.Error, noteWidth)
		if text == "" {
			text = "no reason given"
		}
		h.Reasons = append(h.Reasons, reasonLine{
			Count: grouped(r.Count), State: label(r.State), Class: string(r.State), Text: text,
			Row: r.FirstJob.Row, Place: Place(r.FirstJob.Row, r.Line),
		})
	}
	return h
}

// figures returns the numbers to emphasize. It always includes done and failed,
// and other states if they have rows.
func figures(s Summary) []figure {
	var list []figure
	for _, state := range jobs.States {
		n := s.Of(state)
		if n > 0 || state == jobs.Done || state == jobs.Failed {
			f := figure{Name: label(state), Value: grouped(n)}
			if n > 0 {
				f.Class = string(state)
			}
			list = append(list, f)
		}
	}
	// Move done to the front, even if jobs are still open.
	for i, f := range list {
		if f.Name == string(jobs.Done) {
			copy(list[1:i+1], list[:i])
			list[0] = f
		}
	}
	if s.Cost != nil {
		list = append(list, figure{Name: "credits", Value: credits(*s.Cost)})
	}
	if s.DurationSeconds > 0 {
		list = append(list, figure{Name: "total time", Value: span(s.DurationSeconds)})
	}
	if s.Timings != nil {
		list = append(list, figure{Name: "median", Value: span(s.Timings.P50)}, figure{Name: "95 % within", Value: span(s.Timings.P95)})
	}
	if s.Late > 0 {
		list = append(list, figure{Name: "late", Value: grouped(s.Late)})
	}
	if s.Corrected > 0 {
		list = append(list, figure{Name: "corrected", Value: grouped(s.Corrected)})
	}
	if s.DoubleCharged > 0 {
		list = append(list, figure{Name: "paid twice", Value: grouped(s.DoubleCharged), Class: string(jobs.Failed)})
	}
	return list
}

// foot is the data of the page below the cards.
type foot struct{ NotShown, Computed string }

func newFoot(s Summary, shown int64) foot {
	var f foot
	if rest := s.Rows - shown; rest > 0 {
		f.NotShown = counted(rest, "more row")
	}
	if !s.ComputedAt.IsZero() {
		f.Computed = moment(s.ComputedAt)
	}
	return f
}
