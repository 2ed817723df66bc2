package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
)

// CreateBatch hands the vendor a list of pages, which costs credits for every
// row. As with Create, the request is put on the wire at most once, and its
// errors tell whether it may have taken effect: see the package comment. A
// batch in doubt can be looked for with Batches and, by its tags, with List.
//
// Vendor: the SDKs (POST /batch/create, multipart) and the help page on batches
// (JSON; its answer calls the id batch_id). Both answers are read.
func (c *Client) CreateBatch(ctx context.Context, r BatchRequest) (Batch, error) {
	f, err := r.form()
	if err != nil {
		return Batch{}, err
	}
	return c.batch(ctx, call{op: "create batch", path: "batch/create", form: f, once: true})
}

// Batch returns one batch with its progress and, if the vendor lists them, its
// rows. An unknown id gives ErrNotFound.
//
// Vendor: endpoint reference, GET /batch/info.
func (c *Client) Batch(ctx context.Context, id string) (Batch, error) {
	q, err := idQuery(id)
	if err != nil {
		return Batch{}, err
	}
	return c.batch(ctx, call{op: "get batch", path: "batch/info", query: q})
}

// BatchListOptions choose a page of the batches; zero numbers are not sent.
type BatchListOptions struct {
	Limit  int // batches; the vendor's largest is not documented
	Offset int // batches to skip
}

// Batches returns the account's batches. Their order is not documented. A batch
// that cannot be read keeps its place in the answer: see Batch.Odd.
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
		c.hideIn(&batches[i])
	}
	return batches, nil
}

// CancelBatch asks the vendor to leave the rest of a batch undone. Rows that
// were begun may still end, and cost what they cost. Cancelling twice does no
// further harm. An unknown id gives ErrNotFound; how the vendor answers for a
// batch that has ended is not documented, an APIError is to be expected.
//
// Vendor: endpoint reference, POST /batch/cancel.
func (c *Client) CancelBatch(ctx context.Context, id string) error {
	if id == "" {
		return &ParamError{Name: "id", Reason: "is empty"}
	}
	var value any = id
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(n, 10) == id {
		value = n // as the documents show it
	}
	data, err := plainJSON(map[string]any{"id": value})
	if err != nil {
		return &ParamError{Name: "id", Reason: err.Error()}
	}
	f := &form{kind: "application/json", data: []byte(data)}
	_, err = c.fetch(ctx, call{op: "cancel batch", path: "batch/cancel", form: f})
	return err
}

// DownloadBatch starts the download of a batch's pictures as a ZIP archive.
// An unknown id gives ErrNotFound; how the vendor answers while the batch is at
// work is not documented, an APIError is to be expected. Everything else is as
// with Thumbnail.
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
		return Batch{}, k.unanswered(c.callError(k.op, err))
	}
	c.hideIn(&batch)
	return batch, nil
}

// hideIn keeps the key out of what a batch says of itself and of its rows.
func (c *Client) hideIn(b *Batch) {
	b.Error = c.hide(b.Error)
	for i := range b.Rows {
		b.Rows[i].Error = c.hide(b.Rows[i].Error)
	}
}
