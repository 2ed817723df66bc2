package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a margin, in centimetres.
const (
	maxMargin  = 20
	minPrinted = 1.27 // what the margins must leave of each side
)

// Paper is the size of a sheet in centimetres.
type Paper struct{ Width, Height float64 }

// papers are the formats by name, upright: ISO 216 and ANSI sizes.
var papers = map[string]Paper{
	"a3":      {29.7, 42},
	"a4":      {21, 29.7},
	"a5":      {14.8, 21},
	"legal":   {8.5 * 2.54, 14 * 2.54},
	"letter":  {8.5 * 2.54, 11 * 2.54},
	"tabloid": {11 * 2.54, 17 * 2.54},
}

// Paper is the sheet that the options ask for, lying if need be. Its errors say
// which option is wrong.
func (o PDFOptions) Paper() (Paper, error) {
	sheet, known := papers[orElse(strings.ToLower(o.Format), "a4")]
	if !known {
		return sheet, fmt.Errorf("pdf_format: %q is none of a3, a4, a5, legal, letter, tabloid", o.Format)
	}
	if o.Landscape {
		sheet.Width, sheet.Height = sheet.Height, sheet.Width
	}
	m := o.Margin
	if !(min(m.Top, m.Right, m.Bottom, m.Left) >= 0) {
		return sheet, errors.New("pdf_margin: a margin cannot be negative")
	}
	if sheet.Width-m.Left-m.Right < minPrinted || sheet.Height-m.Top-m.Bottom < minPrinted {
		return sheet, errors.New("pdf_margin: the margins leave no room on the paper")
	}
	return sheet, nil
}

// pdf reads the form of the PDF; nil when none is asked for. What is wrong is
// told in any case.
func (p *params) pdf() *PDFOptions {
	every := p.number("pdf_margin", 0, maxMargin, 0)
	o := PDFOptions{
		Format:     strings.ToLower(p.choiceFold("pdf_format", "a4", "A3", "A4", "A5", "Legal", "Letter", "Tabloid")),
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
		p.refuse(p.given("pdf_margin", "pdf_margin_left", "pdf_margin_right", "pdf_margin_top", "pdf_margin_bottom", name), reason)
	}
	if !p.flag("pdf") {
		return nil
	}
	return &o
}
