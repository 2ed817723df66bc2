package client

import (
	"context"
	"math"
	"net/url"
	"strconv"
)

// ThumbnailOptions select the form of an image. Zero values are not sent. The
// vendor's endpoint reference lists them without limits.
type ThumbnailOptions struct {
	Format   string  // png, jpeg or webp (alias webmp); default: the captured format
	Width    int     // pixels; if Height is zero, the image keeps its proportions
	Height   int     // pixels; if Width is zero, the image keeps its proportions
	Shot     int     // number of the shot if there are several, from 1
	Scale    float64 // factor for both sides: 0.5 halves width and height
	Zoom     int     // percent: 100 changes nothing
	Ratio    string  // used if both Width and Height are set: fit keeps the whole image, fill crops it
	Quality  int     // 1 to 100, for jpeg and webp
	Filename string  // for the Content-Disposition of the response
	Top      int     // pixels to crop from each side, before any other change
	Left     int
	Right    int
	Bottom   int
}

// Thumbnail starts the download of a screenshot's image. Without options it is
// the whole image. The context also applies to reads from Body. Redirects are
// followed only within the scheme, host and port of the base URL.
//
// The error is a NotReadyError, which also matches ErrNotFound, if the screenshot
// is not ready, the id is unknown, the shot does not exist or the image was
// deleted: the vendor does not distinguish these cases. It is an APIError if the
// vendor refused the request for another reason, and a CallError or a
// NotSentError if there was no response. It is a CallError if a 200 response is
// empty or has other content, such as the page of a captive portal. It is a
// ParamError if an option is negative.
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
	return c.download(ctx, call{op: "get thumbnail", path: "screenshot/thumbnail", query: q, output: true, content: image})
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
