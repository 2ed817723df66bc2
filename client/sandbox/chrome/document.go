package chrome

import (
	"context"
	"fmt"
)

// Limits of a page's texts.
const (
	maxHTML    = 16 << 20 // bytes
	maxTitle   = 1024     // UTF-16 units
	maxAddress = 8192     // UTF-16 units
)

// locationScript returns the page's URL, or "" if it is too long, and the
// beginning of its title.
const locationScript = `(address, title) => [
	location.href.length > address ? "" : location.href, document.title.slice(0, title),
]`

// describe reads the final URL and the title of the page.
func (r *run) describe(ctx context.Context) error {
	location, err := call[[2]string](ctx, r.target, locationScript, maxAddress, maxTitle)
	if err != nil {
		return fmt.Errorf("read URL and title of the page: %w", err)
	}
	r.out.FinalURL, r.out.Title = location[0], location[1]
	return nil
}

// htmlScript returns the current HTML of the page, beginning with the document
// type. It returns null if the HTML is longer than limit.
const htmlScript = `limit => {
	const type = document.doctype ? new XMLSerializer().serializeToString(document.doctype) + "\n" : "";
	const text = type + (document.documentElement?.outerHTML ?? "");
	return text.length > limit ? null : text;
}`

// html reads the page's HTML after all scripts and steps.
func (r *run) html(ctx context.Context) error {
	if !r.req.HTML {
		return nil
	}
	text, err := call[*string](ctx, r.target, htmlScript, maxHTML)
	if err != nil {
		return fmt.Errorf("read the HTML: %w", err)
	}
	if text == nil || len(*text) > maxHTML {
		return userErrorf("html: the page's HTML is larger than %d MiB", maxHTML>>20)
	}
	r.out.HTML = []byte(*text)
	return nil
}
