package chrome

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

// sheetSize is the first page's size in points.
var sheetSize = regexp.MustCompile(`/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]`)

// pdfPages counts the pages, and measures the first, in points.
func pdfPages(t *testing.T, pdf []byte) (count int, width, height float64) {
	t.Helper()
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || !bytes.Contains(pdf[max(0, len(pdf)-64):], []byte("%%EOF")) {
		t.Fatalf("no PDF: %.60q", pdf)
	}
	size := sheetSize.FindSubmatch(pdf)
	if size == nil {
		t.Fatal("no size of a page in the PDF")
	}
	width, _ = strconv.ParseFloat(string(size[1]), 64)
	height, _ = strconv.ParseFloat(string(size[2]), 64)
	return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)), width, height
}

// printed draws the page as a PDF.
func printed(t *testing.T, body string, o sandbox.PDFOptions) []byte {
	t.Helper()
	return draw(t, sandbox.RenderRequest{URL: serveHTML(t, body), PDF: &o}).PDF
}

// tall is a page of five A4 sheets or so, without a background.
const tall = `<!doctype html><style>body{margin:0}p{height:500px;margin:0}</style>` +
	`<p>1</p><p>2</p><p>3</p><p>4</p><p>5</p><p>6</p><p>7</p><p>8</p><p>9</p><p>10</p>`

func near1(a, b float64) bool { return math.Abs(a-b) <= 1 }

func TestOptionPDF(t *testing.T) {
	t.Parallel()
	r := draw(t, sandbox.RenderRequest{URL: serveHTML(t, tall), PDF: &sandbox.PDFOptions{}})
	only(t, r, 300, 200)
	count, width, height := pdfPages(t, r.PDF)
	if count != 5 || !near1(width, 595) || !near1(height, 842) {
		t.Errorf("%d pages of %v by %v points, want 5 upright A4 ones", count, width, height)
	}
	if without := draw(t, sandbox.RenderRequest{URL: serveHTML(t, tall)}); without.PDF != nil {
		t.Error("a PDF that nobody asked for")
	}
}

func TestOptionPDFFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][2]float64{"A5": {420, 595}, "letter": {612, 792}, "tabloid": {792, 1224}} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			if _, w, h := pdfPages(t, printed(t, tall, sandbox.PDFOptions{Format: format})); !near1(w, want[0]) || !near1(h, want[1]) {
				t.Errorf("%v by %v points, want %v", w, h, want)
			}
		})
	}
	refused(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Format: "A99"}}, "pdf_format")
}

func TestOptionPDFLandscape(t *testing.T) {
	t.Parallel()
	if _, w, h := pdfPages(t, printed(t, tall, sandbox.PDFOptions{Landscape: true})); !near1(w, 842) || !near1(h, 595) {
		t.Errorf("%v by %v points, want A4 lying", w, h)
	}
}

func TestOptionPDFOnePage(t *testing.T) {
	t.Parallel()
	count, w, h := pdfPages(t, printed(t, tall, sandbox.PDFOptions{OnePage: true}))
	if count != 1 || !near1(w, 595) || h < 5000*0.75 || h > 5000*0.75+10 {
		t.Errorf("%d pages of %v by %v points, want one as tall as the page", count, w, h)
	}
}

// Margins leave less room for the page, so it takes more sheets.
func TestOptionPDFMargin(t *testing.T) {
	t.Parallel()
	count, w, h := pdfPages(t, printed(t, tall, sandbox.PDFOptions{Margin: sandbox.Margin{Top: 7, Bottom: 7}}))
	if count < 8 || !near1(w, 595) || !near1(h, 842) {
		t.Errorf("%d pages of %v by %v points with margins of 7 cm", count, w, h)
	}
	refused(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Margin: sandbox.Margin{Left: 15, Right: 15}}}, "pdf_margin", "no room")
	refused(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Margin: sandbox.Margin{Left: -1}}}, "pdf_margin", "negative")
}

// A background is on paper only when it is asked for.
func TestOptionPDFBackground(t *testing.T) {
	t.Parallel()
	body := `<!doctype html><style>body{margin:0}div{height:2000px;background:url("data:image/svg+xml,` +
		`%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'%3E%3Crect width='4' height='4' fill='%231030c0'/%3E%3C/svg%3E")}</style><div></div>`
	bare, full := printed(t, body, sandbox.PDFOptions{}), printed(t, body, sandbox.PDFOptions{Background: true})
	if len(full) < len(bare)+200 {
		t.Errorf("%d bytes without backgrounds, %d with", len(bare), len(full))
	}
}

func TestOptionHTML(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>t</title><p>written by the server</p>
		<script>document.body.insertAdjacentHTML("beforeend", "<p>and by a script</p>")</script>`)
	r := draw(t, sandbox.RenderRequest{URL: url, HTML: true, Pace: sandbox.Pace{Script: `document.querySelector("p").id = "touched"`}})
	text := string(r.HTML)
	for _, want := range []string{"<!DOCTYPE html>", `<p id="touched">written by the server</p>`, "<p>and by a script</p>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the HTML lacks %s:\n%s", want, text)
		}
	}
	if without := draw(t, sandbox.RenderRequest{URL: url}); without.HTML != nil {
		t.Error("HTML that nobody asked for")
	}
}
