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

	"shotline/client/sandbox"
)

// Bounds and units of a PDF.
const (
	maxPDF      = 64 << 20 // bytes
	pdfChunk    = 1 << 20  // bytes read at a time
	maxPaper    = 200.0    // inches, the longest side that PDF readers show
	cssPerInch  = 96.0     // CSS px
	cmPerInch   = 2.54
	minPrinted  = 0.5 // inches that margins must leave of each side
	mmPerInch   = 25.4
	defaultForm = "a4"
)

// paper is the size of a sheet in inches, upright.
type paper struct{ width, height float64 }

// papers are the formats by name: ISO 216 and ANSI sizes.
var papers = map[string]paper{
	"a3":      {297 / mmPerInch, 420 / mmPerInch},
	"a4":      {210 / mmPerInch, 297 / mmPerInch},
	"a5":      {148 / mmPerInch, 210 / mmPerInch},
	"legal":   {8.5, 14},
	"letter":  {8.5, 11},
	"tabloid": {11, 17},
}

// sheet is the paper of a PDF and its margins, in inches.
type sheet struct {
	paper
	top, right, bottom, left float64
}

// newSheet works out the sheet, or says which option is wrong.
func newSheet(o sandbox.PDFOptions) (sheet, error) {
	if o.Format == "" {
		o.Format = defaultForm
	}
	form, ok := papers[o.Format]
	if !ok {
		return sheet{}, fmt.Errorf("pdf_format: %q is none of a3, a4, a5, legal, letter, tabloid", o.Format)
	}
	if o.Landscape {
		form.width, form.height = form.height, form.width
	}
	m := o.Margin
	s := sheet{form, m.Top / cmPerInch, m.Right / cmPerInch, m.Bottom / cmPerInch, m.Left / cmPerInch}
	if !(min(m.Top, m.Right, m.Bottom, m.Left) >= 0) {
		return sheet{}, errors.New("pdf_margin: a margin cannot be negative")
	}
	if s.width-s.left-s.right < minPrinted || s.height-s.top-s.bottom < minPrinted {
		return sheet{}, errors.New("pdf_margin: the margins leave no room on the paper")
	}
	return s, nil
}

// pdf prints the page, in its style for print. A document on one page is as
// tall as the content, but no taller than PDF readers show: what is longer
// goes on on the next page of that height.
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
	if r.req.PDF.OnePage {
		content, err := r.printedHeight(ctx, s)
		if err != nil {
			return err
		}
		s.height = min(maxPaper, content+s.top+s.bottom)
	}
	res, err := cdp.Call(ctx, r.target, page.PrintToPDF, page.PrintToPDFParams{
		PaperWidth: s.width, PaperHeight: s.height,
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

// printedHeight lays the page out as wide as the sheet and measures it, in
// inches. The picture has been taken by then.
func (r *run) printedHeight(ctx context.Context, s sheet) (float64, error) {
	width := math.Floor((s.width - s.left - s.right) * cssPerInch)
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
	return max(minPrinted, (math.Ceil(layout.CSSContentSize.Height)+1)/cssPerInch), nil
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
