package chrome

import (
	"bytes"
	"compress/zlib"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

// sheetSize matches the size of the first page in points.
var sheetSize = regexp.MustCompile(`/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]`)

// pdfPages returns the number of pages and the size of the first one in points.
func pdfPages(t *testing.T, pdf []byte) (count int, width, height float64) {
	t.Helper()
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || !bytes.Contains(pdf[max(0, len(pdf)-64):], []byte("%%EOF")) {
		t.Fatalf("not a PDF: %.60q", pdf)
	}
	size := sheetSize.FindSubmatch(pdf)
	if size == nil {
		t.Fatal("the PDF has no page size")
	}
	width, _ = strconv.ParseFloat(string(size[1]), 64)
	height, _ = strconv.ParseFloat(string(size[2]), 64)
	return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)), width, height
}

var (
	stream = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	matrix = regexp.MustCompile(`^([\d.]+) 0 0 -[\d.]+ 0 [\d.]+ cm`)
	clip   = regexp.MustCompile(`([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re\s+W`)
)

// contentStream returns the drawing commands of the first page.
func contentStream(t *testing.T, pdf []byte) string {
	t.Helper()
	for _, match := range stream.FindAllSubmatch(pdf, -1) {
		r, err := zlib.NewReader(bytes.NewReader(match[1]))
		if err != nil {
			continue
		}
		text, err := io.ReadAll(r)
		if err == nil && clip.Match(text) {
			return string(text)
		}
	}
	t.Fatal("the PDF has no content stream")
	return ""
}

// marginsOf returns the margins of the first page in centimeters.
func marginsOf(t *testing.T, pdf []byte) sandbox.Margin {
	t.Helper()
	_, width, height := pdfPages(t, pdf)
	text := contentStream(t, pdf)
	unit := matrix.FindStringSubmatch(text)
	area := clip.FindStringSubmatch(text)
	if unit == nil || area == nil {
		t.Fatalf("no clip area in %.200s", text)
	}
	scale, _ := strconv.ParseFloat(unit[1], 64)
	var side [4]float64
	for i := range side {
		side[i], _ = strconv.ParseFloat(area[i+1], 64)
		side[i] *= scale
	}
	cm := func(points float64) float64 { return points / 72 * 2.54 }
	return sandbox.Margin{Left: cm(side[0]), Top: cm(side[1]), Right: cm(width - side[0] - side[2]), Bottom: cm(height - side[1] - side[3])}
}

// renderPDF renders a page as a PDF.
func renderPDF(t *testing.T, body string, o sandbox.PDFOptions) []byte {
	t.Helper()
	return mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, body), PDF: &o}).PDF
}

// tall is a page as high as about five A4 sheets, without a background.
const tall = `<!doctype html><style>body{margin:0}p{height:500px;margin:0}</style>` +
	`<p>1</p><p>2</p><p>3</p><p>4</p><p>5</p><p>6</p><p>7</p><p>8</p><p>9</p><p>10</p>`

func nearPoint(a, b float64) bool { return math.Abs(a-b) <= 1 }

func TestOptionPDF(t *testing.T) {
	t.Parallel()
	r := mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, tall), PDF: &sandbox.PDFOptions{}})
	singleImage(t, r, 300, 200)
	count, width, height := pdfPages(t, r.PDF)
	if count != 5 || !nearPoint(width, 595) || !nearPoint(height, 842) {
		t.Errorf("got %d pages of %v by %v points, want 5 of A4 portrait", count, width, height)
	}
	if without := mustRender(t, sandbox.RenderRequest{URL: serveHTML(t, tall)}); without.PDF != nil {
		t.Error("got a PDF that was not requested")
	}
}

func TestOptionPDFFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][2]float64{"A5": {420, 595}, "letter": {612, 792}, "tabloid": {792, 1224}, "A3": {842, 1191}, "legal": {612, 1008}} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			if _, w, h := pdfPages(t, renderPDF(t, tall, sandbox.PDFOptions{Format: format})); !nearPoint(w, want[0]) || !nearPoint(h, want[1]) {
				t.Errorf("got %v by %v points, want %v", w, h, want)
			}
		})
	}
	wantError(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Format: "A99"}}, "pdf_format")
}

func TestOptionPDFLandscape(t *testing.T) {
	t.Parallel()
	if _, w, h := pdfPages(t, renderPDF(t, tall, sandbox.PDFOptions{Landscape: true})); !nearPoint(w, 842) || !nearPoint(h, 595) {
		t.Errorf("got %v by %v points, want A4 landscape", w, h)
	}
}

func TestOptionPDFOnePage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body      string
		low, high float64 // limits of the height in points
	}{
		"as is":       {tall, 5000 * 0.75, 5000*0.75 + 10},
		"with breaks": {strings.Replace(tall, "margin:0}</style>", "margin:0;page-break-after:always}</style>", 1), 5000 * 0.75, 5000*0.75 + 10},
		"very tall":   {`<!doctype html><body style="margin:0"><div style="height:30000px;background:#10a030">`, 14300, 14400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count, w, h := pdfPages(t, renderPDF(t, c.body, sandbox.PDFOptions{OnePage: true}))
			if count != 1 || !nearPoint(w, 595) || h < c.low || h > c.high {
				t.Errorf("got %d pages of %v by %v points, want one as high as the content", count, w, h)
			}
		})
	}
	endless := `<!doctype html><div style="height:300000px">`
	wantError(t, sandbox.RenderRequest{URL: serveHTML(t, endless), PDF: &sandbox.PDFOptions{OnePage: true}}, "pdf_one_page", "too tall")
}

func TestOptionPDFMargin(t *testing.T) {
	t.Parallel()
	want := sandbox.Margin{Top: 1, Right: 2, Bottom: 3, Left: 4}
	got := marginsOf(t, renderPDF(t, tall, sandbox.PDFOptions{Margin: want}))
	for side, pair := range map[string][2]float64{
		"top": {got.Top, want.Top}, "right": {got.Right, want.Right}, "bottom": {got.Bottom, want.Bottom}, "left": {got.Left, want.Left},
	} {
		if math.Abs(pair[0]-pair[1]) > 0.12 {
			t.Errorf("%s margin is %.2f cm, want %v", side, pair[0], pair[1])
		}
	}
	wantError(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Margin: sandbox.Margin{Left: 15, Right: 15}}}, "pdf_margin", "no room")
	wantError(t, sandbox.RenderRequest{URL: "http://127.0.0.1/", PDF: &sandbox.PDFOptions{Margin: sandbox.Margin{Left: -1}}}, "pdf_margin", "negative")
}

// A PDF uses the page's styles for print.
func TestOptionPDFIsPrint(t *testing.T) {
	t.Parallel()
	text := contentStream(t, renderPDF(t, `<!doctype html><style>div{height:96px;background:#d02010}@media print{div{background:#1030c0}}</style><div></div>`,
		sandbox.PDFOptions{Background: true}))
	if !strings.Contains(text, ".0627 .1882 .7529 rg") {
		t.Errorf("the PDF has no blue rectangle: %s", text)
	}
}

// A PDF contains backgrounds only if they are requested.
func TestOptionPDFBackground(t *testing.T) {
	t.Parallel()
	body := `<!doctype html><style>body{margin:0}div{height:2000px;background:url("data:image/svg+xml,` +
		`%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'%3E%3Crect width='4' height='4' fill='%231030c0'/%3E%3C/svg%3E")}</style><div></div>`
	bare, full := renderPDF(t, body, sandbox.PDFOptions{}), renderPDF(t, body, sandbox.PDFOptions{Background: true})
	if len(full) < len(bare)+200 {
		t.Errorf("%d bytes without and %d with backgrounds, want at least 200 more", len(bare), len(full))
	}
}

func TestOptionHTML(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>t</title><p>written by the server</p>
		<script>document.body.insertAdjacentHTML("beforeend", "<p>and by a script</p>")</script>`)
	r := mustRender(t, sandbox.RenderRequest{URL: url, HTML: true, Pace: sandbox.Pace{Script: `document.querySelector("p").id = "touched"`}})
	text := string(r.HTML)
	for _, want := range []string{"<!DOCTYPE html>", `<p id="touched">written by the server</p>`, "<p>and by a script</p>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the HTML lacks %s:\n%s", want, text)
		}
	}
	if without := mustRender(t, sandbox.RenderRequest{URL: url}); without.HTML != nil {
		t.Error("got HTML that was not requested")
	}
}
