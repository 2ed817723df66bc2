package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
)

// CreateBatch sends the vendor a list of pages. Every row costs credits. As with
// Create, the request is sent at most once, and the error shows whether it might
// have taken effect: see the package comment. To find a batch that is in doubt,
// use Batches, or List with its tags.
//
// Vendor: the SDKs (POST /batch/create, multipart) and the help page on batches
// (JSON; the response names the id batch_id). Both forms of response are
// accepted.
func (c *Client) CreateBatch(ctx context.Context, r BatchRequest) (Batch, error) {
	f, err := r.form()
	if err != nil {
		return Batch{}, err
	}
	return c.batch(ctx, call{op: "create batch", path: "batch/create", form: f, once: true})
}

// Batch returns one batch with its progress and, if the vendor lists them, its
// rows. The error is ErrNotFound if the id is unknown.
//
// Vendor: endpoint reference, GET /batch/info.
func (c *Client) Batch(ctx context.Context, id string) (Batch, error) {
	q, err := idQuery(id)
	if err != nil {
		return Batch{}, err
	}
	return c.batch(ctx, call{op: "get batch", path: "batch/info", query: q})
}

// BatchListOptions select a page of batches. Zero values are not sent.
type BatchListOptions struct {
	Limit  int // number of batches; the vendor's maximum is not documented
	Offset int // number of batches to skip
}

// Batches returns the account's batches. Their order is not documented. If a
// batch cannot be read, its element has ReadError set.
//
// Vendor: endpoint reference, GET /batch/list.
func (c *Client) Batches(ctx context.Context, o BatchListOptions) ([]Batch, error) {
	k := call{op: "list batches", path: "batch/list", query: url.Values{}}
	payload, err := c.page(ctx, k, o.Limit, o.Offset)
	if err != nil {
		return nil, err
	}
	batches, err := decodeBatches(payload)
	if err != nil {
		return nil, c.callError(k.op, err)
	}
	for i := range batches {
		c.redactBatch(&batches[i])
	}
	return batches, nil
}

// CancelBatch requests that the vendor skip the remaining rows of a batch. Rows
// in progress might still end and be charged. It is safe to cancel a batch twice.
// The error is ErrNotFound if the id is unknown. The response for a batch that
// has ended is not documented; expect an APIError.
//
// Vendor: endpoint reference, POST /batch/cancel.
func (c *Client) CancelBatch(ctx context.Context, id string) error {
	if id == "" {
		return &ParamError{Name: "id", Reason: "is empty"}
	}
	var value any = id
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(n, 10) == id {
		value = n // the documents show a number
	}
	data, err := plainJSON(map[string]any{"id": value})
	if err != nil {
		return &ParamError{Name: "id", Reason: err.Error()}
	}
	f := &form{kind: "application/json", data: []byte(data)}
	_, err = c.fetch(ctx, call{op: "cancel batch", path: "batch/cancel", form: f})
	return err
}

// DownloadBatch starts the download of a batch's images as a ZIP archive. The
// error is ErrNotFound if the id is unknown. The response for a batch in progress
// is not documented; expect an APIError. Everything else is as in Thumbnail.
//
// Vendor: endpoint reference, GET /batch/download.
func (c *Client) DownloadBatch(ctx context.Context, id string) (*Download, error) {
	q, err := idQuery(id)
	if err != nil {
		return nil, err
	}
	return c.download(ctx, call{op: "download batch", path: "batch/download", query: q, content: archive})
}

func (c *Client) batch(ctx context.Context, k call) (Batch, error) {
	payload, err := c.fetch(ctx, k)
	if err != nil {
		return Batch{}, err
	}
	var batch Batch
	if err := json.Unmarshal(payload, &batch); err != nil {
		return Batch{}, k.noResponse(c.callError(k.op, err))
	}
	c.redactBatch(&batch)
	return batch, nil
}

// redactBatch removes the key from the error texts of a batch and its rows.
func (c *Client) redactBatch(b *Batch) {
	b.Error = c.redact(b.Error)
	for i := range b.Rows {
		b.Rows[i].Error = c.redact(b.Rows[i].Error)
	}
}
