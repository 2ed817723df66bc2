package sandbox

import "strings"

// maxMargin bounds a margin, in centimetres; whether margins leave room depends
// on the sheet, and is the renderer's to say.
const maxMargin = 20

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
	if !p.flag("pdf") {
		return nil
	}
	return &o
}
