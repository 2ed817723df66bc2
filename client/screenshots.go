package client

import (
	"context"
	"encoding/json"
	"net/url"
)

// Create requests a screenshot from the vendor, which costs credits. It sends at
// most one request per call: no layer below repeats it, and it does not follow
// redirects. The package comment describes its errors.
//
// Vendor: endpoint reference and SDKs, GET /screenshot/create.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Screenshot, error) {
	q, err := r.query()
	if err != nil {
		return Screenshot{}, err
	}
	k := call{op: "create screenshot", path: "screenshot/create", query: q, once: true}
	return c.screenshot(ctx, k)
}

// Info returns one screenshot. The error is ErrNotFound if the id is unknown.
//
// Vendor: endpoint reference, GET /screenshot/info.
func (c *Client) Info(ctx context.Context, id string) (Screenshot, error) {
	q, err := idQuery(id)
	if err != nil {
		return Screenshot{}, err
	}
	return c.screenshot(ctx, call{op: "get screenshot", path: "screenshot/info", query: q})
}

// ListOptions filter a listing and select a page of it. Zero values are not sent.
// The vendor does not document the maximum of Limit.
type ListOptions struct {
	Limit   int    // number of screenshots
	Offset  int    // number of screenshots to skip
	Status  Status // status of the screenshots
	Country string // where the pages were opened from, such as "us"
	Tag     string
}

// List returns screenshots, newest first. The vendor does not document whether it
// compares Tag exactly and with every tag of a screenshot. Callers should compare
// the returned Tags.
//
// The result has one element for each row of the response, so that its length can
// be used to compute the next offset. If a row cannot be read, its element has
// ReadError set.
//
// Vendor: endpoint reference, GET /screenshot/list.
func (c *Client) List(ctx context.Context, o ListOptions) ([]Screenshot, error) {
	q := url.Values{}
	setText(q, "status", string(o.Status))
	setText(q, "country", o.Country)
	setText(q, "tag", o.Tag)
	return c.screenshots(ctx, call{op: "list screenshots", path: "screenshot/list", query: q}, o.Limit, o.Offset)
}

// SearchOptions define a search. URL is required. Zero numbers are not sent.
type SearchOptions struct {
	URL    string // part of the screenshot's URL
	Limit  int    // number of screenshots
	Offset int    // number of screenshots to skip
}

// Search returns screenshots whose URL contains the given text. Their order is
// not documented. Rows that cannot be read are handled as in List.
//
// Vendor: endpoint reference, GET /screenshot/search.
func (c *Client) Search(ctx context.Context, o SearchOptions) ([]Screenshot, error) {
	if o.URL == "" {
		return nil, &ParamError{Name: "url", Reason: "is empty"}
	}
	k := call{op: "search screenshots", path: "screenshot/search", query: url.Values{"url": {o.URL}}}
	return c.screenshots(ctx, k, o.Limit, o.Offset)
}

func (c *Client) screenshot(ctx context.Context, k call) (Screenshot, error) {
	payload, err := c.fetch(ctx, k)
	if err != nil {
		return Screenshot{}, err
	}
	shot, err := decodeScreenshot(payload)
	if err != nil {
		return Screenshot{}, k.noResponse(c.callError(k.op, err))
	}
	shot.Error = c.redact(shot.Error)
	return shot, nil
}

func (c *Client) screenshots(ctx context.Context, k call, limit, offset int) ([]Screenshot, error) {
	payload, err := c.page(ctx, k, limit, offset)
	if err != nil {
		return nil, err
	}
	shots, err := decodeScreenshots(payload)
	if err != nil {
		return nil, c.callError(k.op, err)
	}
	for i := range shots {
		shots[i].Error = c.redact(shots[i].Error)
	}
	return shots, nil
}

// page fetches a page of a listing.
func (c *Client) page(ctx context.Context, k call, limit, offset int) (json.RawMessage, error) {
	if err := setInt(k.query, "limit", limit); err != nil {
		return nil, err
	}
	if err := setInt(k.query, "offset", offset); err != nil {
		return nil, err
	}
	return c.fetch(ctx, k)
}
