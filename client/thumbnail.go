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
	Format   string  // png, jpeg or webp (webmp is its alias); the form that was captured unless given
	Width    int     // pixels; with Height unset, in proportion
	Height   int     // pixels; with Width unset, in proportion
	Shot     int     // which one of several shots, from 1
	Scale    float64 // factor on both sides: 0.5 is half as wide and high
	Zoom     int     // percent: 100 changes nothing
	Ratio    string  // with Width and Height: fit keeps the whole image, fill cuts it
	Quality  int     // 1 to 100, for jpeg and webp
	Filename string  // for the answer's Content-Disposition
	Top      int     // pixels cut off each side, before anything else
	Left     int
	Right    int
	Bottom   int
}

// Thumbnail starts the download of a screenshot's image, whole unless the
// options say otherwise. The context governs the reading of Body as well.
// Redirects are followed only on the scheme, host and port of the base URL.
//
// It fails with a NotReadyError, which is ErrNotFound as well, for a screenshot
// that is not ready, an unknown id, a missing shot or an image that was deleted:
// the vendor does not tell these apart. It fails with an APIError for another
// refusal; with a CallError or NotSentError when no answer came; with a CallError
// when a 200 brought something else, such as the page of a captive portal, or
// nothing; with a ParamError for a negative option.
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
	return c.download(ctx, call{op: "get thumbnail", path: "screenshot/thumbnail", query: q, output: true, content: picture})
}

func (o ThumbnailOptions) addTo(q url.Values) error {
	setText(q, "format", o.Format)
	setText(q, "ratio", o.Ratio)
	setText(q, "filename", o.Filename)
	for _, p := range []struct {
		name  string
		value int
	}{
		{"width", o.Width}, {"height", o.Height}, {"shot", o.Shot}, {"quality", o.Quality}, {"zoom", o.Zoom},
		{"top", o.Top}, {"left", o.Left}, {"right", o.Right}, {"bottom", o.Bottom},
	} {
		if err := setInt(q, p.name, p.value); err != nil {
			return err
		}
	}
	switch {
	case !(o.Scale >= 0) || math.IsInf(o.Scale, 1):
		return &ParamError{Name: "scale", Reason: "must be a number that is not negative"}
	case o.Scale > 0:
		q.Set("scale", strconv.FormatFloat(o.Scale, 'f', -1, 64))
	}
	return nil
}
