package client

import (
	"context"
	"net/url"
)

// HTML starts the download of the page's HTML as the browser had it. It exists
// when the create asked for it (html) and Screenshot.HasHTML says so; otherwise
// the error is a NotReadyError. Everything else is as with Thumbnail.
//
// Vendor: endpoint reference, GET /screenshot/html.
func (c *Client) HTML(ctx context.Context, id string) (*Download, error) {
	return c.output(ctx, "get html", "screenshot/html", id, page)
}

// PDF starts the download of the page as a document, when the create asked for
// it (pdf) and Screenshot.HasPDF says so. Everything else is as with HTML.
//
// Vendor: endpoint reference, GET /screenshot/pdf.
func (c *Client) PDF(ctx context.Context, id string) (*Download, error) {
	return c.output(ctx, "get pdf", "screenshot/pdf", id, document)
}

// Video starts the download of the recording, when the create asked for it
// (video) and Screenshot.HasVideo says so. Everything else is as with HTML.
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

// The documented scopes. What exactly each removes is not documented.
const (
	ScopeAll      Scope = "all"
	ScopeImage    Scope = "image"
	ScopeMetadata Scope = "metadata"
	ScopeURL      Scope = "url"
)

// Delete removes a screenshot, or a part of it, from the vendor; an empty scope
// is ScopeAll. Nothing is documented about its credits. An unknown id, which a
// deleted one is, gives ErrNotFound: after a call without an answer, which fails
// with a CallError, that is how a second one can end.
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

// idQuery is a query that names a screenshot or a batch.
func idQuery(id string) (url.Values, error) {
	if id == "" {
		return nil, &ParamError{Name: "id", Reason: "is empty"}
	}
	return url.Values{"id": {id}}, nil
}
