package client

import (
	"context"
	"math"
	"net/url"
	"strconv"
)

// ThumbnailOptions choose the form of an image; zero values are not sent. The
// vendor's endpoint reference names them and gives no limits.
type ThumbnailOptions struct {
	Format  string  // png, jpeg or webp; the form that was captured unless given
	Width   int     // pixels; with Height unset, in proportion
	Height  int     // pixels; with Width unset, in proportion
	Shot    int     // which one of several shots, from 1
	Scale   float64 // factor on both sides: 0.5 is half as wide and high
	Zoom    float64 // the vendor's zoom; its unit is not documented
	Ratio   string  // with Width and Height: fit keeps the whole image, fill cuts it
	Quality int     // 1 to 100, for jpeg and webp
	Top     int     // pixels cut off each side, before anything else
	Left    int
	Right   int
	Bottom  int
}

// Thumbnail starts the download of a screenshot's image, whole unless the
// options say otherwise. The context governs the reading of Body as well.
// Redirects, as to a file store, are followed without the key.
//
// It fails with an APIError, which is ErrNotFound for an unknown id, a missing
// shot or an image that was deleted; with a CallError or NotSentError when no
// answer came; with a ParamError for a negative option.
//
// Vendor: endpoint reference, GET /screenshot/thumbnail.
func (c *Client) Thumbnail(ctx context.Context, id string, o ThumbnailOptions) (*Download, error) {
	q, err := idQuery(id)
	if err != nil {
		return nil, err
	}
	if err := o.addTo(q); err != nil {
		return nil, err
	}
	return c.download(ctx, call{op: "get thumbnail", path: "screenshot/thumbnail", query: q})
}

func (o ThumbnailOptions) addTo(q url.Values) error {
	setText(q, "format", o.Format)
	setText(q, "ratio", o.Ratio)
	for _, p := range []struct {
		name  string
		value int
	}{
		{"width", o.Width}, {"height", o.Height}, {"shot", o.Shot}, {"quality", o.Quality},
		{"top", o.Top}, {"left", o.Left}, {"right", o.Right}, {"bottom", o.Bottom},
	} {
		if err := setInt(q, p.name, p.value); err != nil {
			return err
		}
	}
	for name, value := range map[string]float64{"scale": o.Scale, "zoom": o.Zoom} {
		switch {
		case !(value >= 0) || math.IsInf(value, 1):
			return &ParamError{Name: name, Reason: "must be a number that is not negative"}
		case value > 0:
			q.Set(name, strconv.FormatFloat(value, 'f', -1, 64))
		}
	}
	return nil
}
