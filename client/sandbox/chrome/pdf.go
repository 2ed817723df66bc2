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

// Bounds and units of a PDF.
const (
	maxPDF     = 64 << 20 // bytes
	pdfChunk   = 1 << 20  // bytes read at a time
	maxPaper   = 200.0    // inches, the longest side that PDF readers show
	cssPerInch = 96.0     // CSS px
	cmPerInch  = 2.54
	minContent = 0.5 // inches
	minPrint   = 0.1 // of a print
)

// sheet is the paper of a PDF and its margins, in inches.
type sheet struct {
	width, height            float64
	top, right, bottom, left float64
}

// newSheet works out the sheet, or says which option is wrong.
func newSheet(o sandbox.PDFOptions) (sheet, error) {
	paper, err := o.Paper()
	m := o.Margin
	return sheet{
		paper.Width / cmPerInch, paper.Height / cmPerInch,
		m.Top / cmPerInch, m.Right / cmPerInch, m.Bottom / cmPerInch, m.Left / cmPerInch,
	}, err
}

// pdf prints the page, in its style for print.
func (r *run) pdf(ctx context.Context) error {
	if r.req.PDF == nil {
		return nil
	}
	s, err := newSheet(*r.req.PDF)
	if err != nil {
		return err
	}
	if err := r.emulateMedia(ctx, "print"); err != nil {
		return fmt.Errorf("style for print: %w", err)
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

// noBreaks keeps the page's own page breaks from a document on one page.
const noBreaks = `() => {
	const style = new CSSStyleSheet()
	style.replaceSync("*, ::before, ::after { break-before: auto !important; break-after: auto !important; break-inside: auto !important; }")
	document.adoptedStyleSheets = [...document.adoptedStyleSheets, style]
}`

// onePage returns how tall a sheet must be, in inches, to hold the whole page.
// A page taller than PDF readers show is printed smaller.
func (r *run) onePage(ctx context.Context, s sheet) (height, scale float64, err error) {
	if _, err := call[chromedp.Void](ctx, r.target, noBreaks); err != nil {
		return 0, 0, fmt.Errorf("take away page breaks: %w", err)
	}
	content, err := r.printedHeight(ctx, s, 1)
	if err != nil {
		return 0, 0, err
	}
	scale, most := 1.0, maxPaper-s.top-s.bottom
	if content > most {
		// The smaller print has wider lines, so what fits now fits then.
		scale = most / content
		if scale < minPrint {
			return 0, 0, faultf("pdf_one_page: the page is too tall for one sheet")
		}
		if content, err = r.printedHeight(ctx, s, scale); err != nil {
			return 0, 0, err
		}
	}
	return min(maxPaper, content*scale+s.top+s.bottom), scale, nil
}

// printedHeight lays the page out as wide as the sheet at that scale and
// measures it, in inches before scaling. The picture has been taken by then.
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
		return 0, errors.Join(errors.New("measure the print"), err)
	}
	return max(minContent, (math.Ceil(layout.CSSContentSize.Height)+1)/cssPerInch), nil
}

// read takes the PDF from the browser piece by piece. The browser forgets the
// stream together with the tab.
func (r *run) read(ctx context.Context, stream cdpio.StreamHandle) ([]byte, error) {
	var all bytes.Buffer
	for {
		part, err := cdp.Call(ctx, r.target, cdpio.Read, cdpio.ReadParams{Handle: stream, Size: pdfChunk})
		if err != nil {
			return nil, fmt.Errorf("read the PDF: %w", err)
		}
		if all.Len()+len(part.Data) > maxPDF {
			return nil, faultf("pdf: the PDF is larger than %d MiB", maxPDF>>20)
		}
		all.Write(part.Data)
		if part.EOF {
			break
		}
	}
	return all.Bytes(), send(ctx, r.target, cdpio.Close, cdpio.CloseParams{Handle: stream})
}
