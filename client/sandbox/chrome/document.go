package chrome

import (
	"context"
	"fmt"
)

// What a page may hand back besides pictures.
const (
	maxHTML    = 16 << 20 // bytes
	maxTitle   = 1024     // UTF-16 units
	maxAddress = 8192     // likewise
)

// ending is the page's address, empty when it is too long to be kept, and the
// beginning of its title.
const ending = `(address, title) => [
	location.href.length > address ? "" : location.href, document.title.slice(0, title),
]`

// describe notes where the page ended up and what it is called.
func (r *run) describe(ctx context.Context) error {
	told, err := call[[2]string](ctx, r.target, ending, maxAddress, maxTitle)
	if err != nil {
		return fmt.Errorf("read the page's address and title: %w", err)
	}
	r.out.FinalURL, r.out.Title = told[0], told[1]
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
