package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a margin, in centimeters.
const (
	maxMargin  = 20
	minPrinted = 1.27 // minimum printable length between two margins
)

// Paper is the size of a sheet in centimeters.
type Paper struct{ Width, Height float64 }

// papers are the known formats in portrait orientation: ISO 216 and ANSI sizes.
var papers = map[string]Paper{
	"a3":      {29.7, 42},
	"a4":      {21, 29.7},
	"a5":      {14.8, 21},
	"legal":   {8.5 * 2.54, 14 * 2.54},
	"letter":  {8.5 * 2.54, 11 * 2.54},
	"tabloid": {11 * 2.54, 17 * 2.54},
}

// Paper returns the sheet that the options request. Its errors begin with the
// name of the wrong option.
func (o PDFOptions) Paper() (Paper, error) {
	sheet, known := papers[orElse(strings.ToLower(o.Format), "a4")]
	if !known {
		return sheet, fmt.Errorf("pdf_format: %q is not one of a3, a4, a5, legal, letter, tabloid", o.Format)
	}
	if o.Landscape {
		sheet.Width, sheet.Height = sheet.Height, sheet.Width
	}
	m := o.Margin
	if !(min(m.Top, m.Right, m.Bottom, m.Left) >= 0) {
		return sheet, errors.New("pdf_margin: a margin must not be negative")
	}
	if sheet.Width-m.Left-m.Right < minPrinted || sheet.Height-m.Top-m.Bottom < minPrinted {
		return sheet, errors.New("pdf_margin: the margins leave no room on the paper")
	}
	return sheet, nil
}

// pdf reads the PDF options. It returns nil if no PDF is requested, but reports
// invalid options even then.
func (p *params) pdf() *PDFOptions {
	every := p.number("pdf_margin", 0, maxMargin, 0)
	o := PDFOptions{
		Format:     strings.ToLower(p.choiceFold("pdf_format", "a4", values("pdf_format")...)),
		Landscape:  p.flag("pdf_landscape"),
		Background: p.flag("pdf_background"),
		OnePage:    p.flag("pdf_one_page"),
		Margin: Margin{
			Top:    p.number("pdf_margin_top", 0, maxMargin, every),
			Right:  p.number("pdf_margin_right", 0, maxMargin, every),
			Bottom: p.number("pdf_margin_bottom", 0, maxMargin, every),
			Left:   p.number("pdf_margin_left", 0, maxMargin, every),
		},
	}
	if _, err := o.Paper(); err != nil {
		name, reason, _ := strings.Cut(err.Error(), ": ")
		p.refuse(p.firstGiven("pdf_margin", "pdf_margin_left", "pdf_margin_right", "pdf_margin_top", "pdf_margin_bottom", name), reason)
	}
	if !p.flag("pdf") {
		return nil
	}
	return &o
}
