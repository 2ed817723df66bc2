package client

import (
	"context"
	"net/url"
)

// HTML starts the download of the page's HTML as the browser had it. It exists if
// the create requested it (html) and Screenshot.HasHTML is true; otherwise the
// error is a NotReadyError. Everything else is as in Thumbnail.
//
// Vendor: endpoint reference, GET /screenshot/html.
func (c *Client) HTML(ctx context.Context, id string) (*Download, error) {
	return c.output(ctx, "get html", "screenshot/html", id, page)
}

// PDF starts the download of the page as a PDF document. It exists if the create
// requested it (pdf) and Screenshot.HasPDF is true. Everything else is as in
// HTML.
//
// Vendor: endpoint reference, GET /screenshot/pdf.
func (c *Client) PDF(ctx context.Context, id string) (*Download, error) {
	return c.output(ctx, "get pdf", "screenshot/pdf", id, document)
}

// Video starts the download of the recording. It exists if the create requested
// it (video) and Screenshot.HasVideo is true. Everything else is as in HTML.
//
// Vendor: endpoint reference, GET /screenshot/video.
func (c *Client) Video(ctx context.Context, id string) (*Download, error) {
	return c.output(ctx, "get video", "screenshot/video", id, video)
}

func (c *Client) output(ctx context.Context, op, path, id string, want content) (*Download, error) {
	q, err := idQuery(id)
	if err != nil {
		return nil, err
	}
	return c.download(ctx, call{op: op, path: path, query: q, output: true, content: want})
}

// Scope is a part of a screenshot that can be deleted.
type Scope string

// The documented scopes. The vendor does not document exactly what each removes.
const (
	ScopeAll      Scope = "all"
	ScopeImage    Scope = "image"
	ScopeMetadata Scope = "metadata"
	ScopeURL      Scope = "url"
)

// Delete removes a screenshot, or a part of it, from the vendor. An empty scope
// means ScopeAll. The vendor does not document whether credits are refunded. The
// error is ErrNotFound if the id is unknown or the screenshot was deleted before.
// If the response to a call is lost, the error is a CallError, and a repeated
// call might therefore fail with ErrNotFound.
//
// Vendor: endpoint reference, GET /screenshot/delete.
func (c *Client) Delete(ctx context.Context, id string, scope Scope) error {
	q, err := idQuery(id)
	if err != nil {
		return err
	}
	if scope == "" {
		scope = ScopeAll
	}
	q.Set("data", string(scope))
	_, err = c.fetch(ctx, call{op: "delete screenshot", path: "screenshot/delete", query: q})
	return err
}

// idQuery returns a query with the id of a screenshot or a batch.
func idQuery(id string) (url.Values, error) {
	if id == "" {
		return nil, &ParamError{Name: "id", Reason: "is empty"}
	}
	return url.Values{"id": {id}}, nil
}
