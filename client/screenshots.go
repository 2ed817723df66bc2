package client

import (
	"context"
	"encoding/json"
	"net/url"
)

// Create asks the vendor for a screenshot, which costs credits. It sends at
// most one request per call: nothing below it repeats it, and it follows no
// redirect. See the package comment for what its errors mean.
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

// Info returns one screenshot. An unknown id gives ErrNotFound.
//
// Vendor: endpoint reference, GET /screenshot/info.
func (c *Client) Info(ctx context.Context, id string) (Screenshot, error) {
	q, err := idQuery(id)
	if err != nil {
		return Screenshot{}, err
	}
	return c.screenshot(ctx, call{op: "get screenshot", path: "screenshot/info", query: q})
}

// ListOptions narrow a listing; zero values are not sent. The largest Limit
// that the vendor accepts is not documented.
type ListOptions struct {
	Limit   int    // screenshots
	Offset  int    // screenshots to skip
	Status  Status // how they stand
	Country string // where they were opened from, such as "us"
	Tag     string
}

// List returns screenshots, newest first. Whether the vendor matches Tag
// against every tag of a screenshot, and exactly, is not documented: compare
// the returned Tags.
//
// There is one element for each row of the answer, so that the length tells the
// offset of the next page. A row that cannot be read does not spoil the others:
// see Screenshot.Odd.
//
// Vendor: endpoint reference, GET /screenshot/list.
func (c *Client) List(ctx context.Context, o ListOptions) ([]Screenshot, error) {
	q := url.Values{}
	setText(q, "status", string(o.Status))
	setText(q, "country", o.Country)
	setText(q, "tag", o.Tag)
	return c.screenshots(ctx, call{op: "list screenshots", path: "screenshot/list", query: q}, o.Limit, o.Offset)
}

// SearchOptions say what to search for; URL is required, zero numbers are not
// sent.
type SearchOptions struct {
	URL    string // a part of the screenshot's URL
	Limit  int    // screenshots
	Offset int    // screenshots to skip
}

// Search returns screenshots whose URL contains the given text. Their order is
// not documented. Rows that cannot be read are as with List.
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
		return Screenshot{}, k.unanswered(c.callError(k.op, err))
	}
	shot.Error = c.hide(shot.Error)
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
		shots[i].Error = c.hide(shots[i].Error)
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
