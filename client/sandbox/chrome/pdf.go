package chrome

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpio "github.com/chromedp/cdproto/io"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// Limits and units of a PDF.
const (
	maxPDF     = 64 << 20 // bytes
	pdfChunk   = 1 << 20  // bytes per read
	maxPaper   = 200.0    // inches; PDF readers show no longer sides
	cssPerInch = 96.0     // CSS px
	cmPerInch  = 2.54
	minContent = 0.5 // inches
	minPrint   = 0.1 // minimum scale of a print
)

// sheet is the paper size of a PDF and its margins, in inches.
type sheet struct {
	width, height            float64
	top, right, bottom, left float64
}

// newSheet returns the sheet for the options. Its error names the wrong option.
func newSheet(o sandbox.PDFOptions) (sheet, error) {
	paper, err := o.Paper()
	m := o.Margin
	return sheet{
		paper.Width / cmPerInch, paper.Height / cmPerInch,
		m.Top / cmPerInch, m.Right / cmPerInch, m.Bottom / cmPerInch, m.Left / cmPerInch,
	}, err
}

// pdf prints the page with its styles for print.
func (r *run) pdf(ctx context.Context) error {
	if r.req.PDF == nil {
		return nil
	}
	s, err := newSheet(*r.req.PDF)
	if err != nil {
		return err
	}
	if err := r.emulateMedia(ctx, "print"); err != nil {
		return fmt.Errorf("switch to print styles: %w", err)
	}
	scale := 1.0
	if r.req.PDF.OnePage {
		if s.height, scale, err = r.onePage(ctx, s); err != nil {
			return err
		}
	}
	res, err := cdp.Call(ctx, r.target, page.PrintToPDF, page.PrintToPDFParams{
		PaperWidth: s.width, PaperHeight: s.height, Scale: scale,
		MarginTop: &s.top, MarginRight: &s.right, MarginBottom: &s.bottom, MarginLeft: &s.left,
		PrintBackground: &r.req.PDF.Background,
		TransferMode:    page.PrintToPDFTransferModeReturnAsStream,
	})
	if err != nil {
		return fmt.Errorf("print the page: %w", err)
	}
	r.out.PDF, err = r.read(ctx, res.Stream)
	return err
}

// noBreaksScript disables the page breaks of the page's styles for a document
// with one page.
const noBreaksScript = `() => {
	const style = new CSSStyleSheet()
	style.replaceSync("*, ::before, ::after { break-before: auto !important; break-after: auto !important; break-inside: auto !important; }")
	document.adoptedStyleSheets = [...document.adoptedStyleSheets, style]
}`

// onePage returns the height in inches of a sheet that holds the whole page. If
// the page is higher than PDF readers can show, it is scaled down.
func (r *run) onePage(ctx context.Context, s sheet) (height, scale float64, err error) {
	if _, err := call[chromedp.Void](ctx, r.target, noBreaksScript); err != nil {
		return 0, 0, fmt.Errorf("remove page breaks: %w", err)
	}
	content, err := r.printedHeight(ctx, s, 1)
	if err != nil {
		return 0, 0, err
	}
	scale, most := 1.0, maxPaper-s.top-s.bottom
	if content > most {
		// The scaled print has wider lines, so content that fits now also fits then.
		scale = most / content
		if scale < minPrint {
			return 0, 0, userErrorf("pdf_one_page: the page is too tall for one sheet")
		}
		if content, err = r.printedHeight(ctx, s, scale); err != nil {
			return 0, 0, err
		}
	}
	return min(maxPaper, content*scale+s.top+s.bottom), scale, nil
}

// printedHeight sets the layout width to that of the sheet at the given scale,
// and returns the height in inches before scaling. The images must have been
// taken before.
func (r *run) printedHeight(ctx context.Context, s sheet, scale float64) (float64, error) {
	width := math.Floor((s.width - s.left - s.right) * cssPerInch / scale)
	err := send(ctx, r.target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: 1, DeviceScaleFactor: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("lay out for print: %w", err)
	}
	layout, err := cdp.Call(ctx, r.target, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil || layout.CSSContentSize == nil {
		return 0, errors.Join(errors.New("measure the printed page"), err)
	}
	return max(minContent, (math.Ceil(layout.CSSContentSize.Height)+1)/cssPerInch), nil
}

// read reads the PDF from the browser in chunks. The browser discards the stream
// together with the tab.
func (r *run) read(ctx context.Context, stream cdpio.StreamHandle) ([]byte, error) {
	var all bytes.Buffer
	for {
		part, err := cdp.Call(ctx, r.target, cdpio.Read, cdpio.ReadParams{Handle: stream, Size: pdfChunk})
		if err != nil {
			return nil, fmt.Errorf("read the PDF: %w", err)
		}
		if all.Len()+len(part.Data) > maxPDF {
			return nil, userErrorf("pdf: the PDF is larger than %d MiB", maxPDF>>20)
		}
		all.Write(part.Data)
		if part.EOF {
			break
		}
	}
	return all.Bytes(), send(ctx, r.target, cdpio.Close, cdpio.CloseParams{Handle: stream})
}
