package chrome

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
)

// What a page may hand back besides pictures.
const (
	maxHTML  = 16 << 20 // bytes
	maxTitle = 1024     // UTF-16 units
)

// describe notes where the page ended up and what it is called.
func (r *run) describe(ctx context.Context) error {
	history, err := cdp.Call(ctx, r.target, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		return fmt.Errorf("read the final address: %w", err)
	}
	r.out.FinalURL = r.req.URL
	if i := int(history.CurrentIndex); i >= 0 && i < len(history.Entries) {
		r.out.FinalURL = history.Entries[i].URL
	}
	// The history's title lags behind scripts that have just changed it.
	r.out.Title, err = call[string](ctx, r.target, `limit => String(document.title).slice(0, limit)`, maxTitle)
	if err != nil {
		return fmt.Errorf("read the title: %w", err)
	}
	return nil
}

// source writes the page as it is now, its document type first; null when it
// is longer than limit.
const source = `limit => {
	const type = document.doctype ? new XMLSerializer().serializeToString(document.doctype) + "\n" : "";
	const text = type + (document.documentElement?.outerHTML ?? "");
	return text.length > limit ? null : text;
}`

// html reads the page's HTML after all scripts and steps.
func (r *run) html(ctx context.Context) error {
	if !r.req.HTML {
		return nil
	}
	text, err := call[*string](ctx, r.target, source, maxHTML)
	if err != nil {
		return fmt.Errorf("read the HTML: %w", err)
	}
	if text == nil || len(*text) > maxHTML {
		return faultf("html: the page's HTML is larger than %d MiB", maxHTML>>20)
	}
	r.out.HTML = []byte(*text)
	return nil
}
