package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // formats of pictures
	_ "image/jpeg"
	_ "image/png"
	"io"

	_ "golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"
)

// Source is a picture in a file or in memory.
type Source interface {
	Open() (io.ReadCloser, error)
}

// Bytes is a picture in memory.
type Bytes []byte

// Open implements Source.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }

// Result says how two pictures differ.
type Result struct {
	A, B    image.Point // sizes; zero if both have the same bytes
	Changed int64       // pixels of the canvas that differ
	Share   float64     // of these pixels on the canvas, from 0 to 1
}

// Error says why a picture cannot be compared.
type Error struct {
	Second bool // whether it is the second one
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var errFormat = errors.New("pictures of this format cannot be compared")

// MaxPixels is the largest canvas of a Comparer unless it says otherwise.
const MaxPixels = 100_000_000

// Comparer compares pictures. Its methods are safe for concurrent use. All pictures
// that are decoded at a time have no more than the pixels of one largest canvas,
// with nine bytes each.
type Comparer struct {
	most   int64
	pixels *semaphore.Weighted
}

// NewComparer returns a Comparer for canvases up to this number of pixels.
func NewComparer(most int64) *Comparer { return &Comparer{most, semaphore.NewWeighted(most)} }

// Compare compares two pictures. Pictures with the same bytes are not decoded. If
// some pixels differ, it calls keep, unless keep is nil, with a function that draws
// the difference: the first picture in pale gray, with the differences in red. An
// *Error says that one of the pictures cannot be compared.
func (c *Comparer) Compare(ctx context.Context, a, b Source, keep func(r Result, draw func() image.Image) error) (r Result, err error) {
	same, err := sameBytes(a, b)
	if err != nil || same {
		return r, err
	}
	if r.A, err = sizeOf(a); err != nil {
		return r, &Error{false, err}
	}
	if r.B, err = sizeOf(b); err != nil {
		return r, &Error{true, err}
	}
	canvas := canvasOf(r.A, r.B)
	pixels := int64(canvas.X) * int64(canvas.Y)
	if pixels > c.most {
		larger := r.B.X*r.B.Y > r.A.X*r.A.Y
		return r, &Error{larger, fmt.Errorf("the picture is too large to be compared: %d × %d pixels, more than %d megapixels", canvas.X, canvas.Y, c.most/1_000_000)}
	}
	if err := c.pixels.Acquire(ctx, pixels); err != nil {
		return r, err
	}
	defer c.pixels.Release(pixels)
	first, err := decode(a)
	if err != nil {
		return r, &Error{false, err}
	}
	second, err := decode(b)
	if err != nil {
		return r, &Error{true, err}
	}
	r.Changed = compare(first, second, nil)
	r.Share = float64(r.Changed) / float64(max(pixels, 1))
	if keep == nil || r.Changed == 0 {
		return r, nil
	}
	return r, keep(r, func() image.Image {
		mark := image.NewPaletted(image.Rectangle{Max: canvas}, markColors)
		compare(first, second, mark)
		return mark
	})
}

// sameBytes reports whether two pictures have the same bytes.
func sameBytes(a, b Source) (bool, error) {
	first, err := a.Open()
	if err != nil {
		return false, &Error{false, err}
	}
	defer first.Close()
	second, err := b.Open()
	if err != nil {
		return false, &Error{true, err}
	}
	defer second.Close()
	pages := [2][32 << 10]byte{}
	for {
		n, errA := io.ReadFull(first, pages[0][:])
		m, errB := io.ReadFull(second, pages[1][:])
		endA, endB := ended(errA), ended(errB)
		switch {
		case errA != nil && !endA:
			return false, &Error{false, errA}
		case errB != nil && !endB:
			return false, &Error{true, errB}
		case !bytes.Equal(pages[0][:n], pages[1][:m]):
			return false, nil
		case endA || endB:
			return true, nil
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// sizeOf reads the size of a picture.
func sizeOf(s Source) (image.Point, error) {
	in, err := s.Open()
	if err != nil {
		return image.Point{}, err
	}
	defer in.Close()
	config, _, err := image.DecodeConfig(in)
	return image.Pt(config.Width, config.Height), formatError(err)
}

func decode(s Source) (image.Image, error) {
	in, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	picture, _, err := image.Decode(in)
	return picture, formatError(err)
}

func formatError(err error) error {
	if errors.Is(err, image.ErrFormat) {
		return errFormat
	}
	if err != nil {
		return fmt.Errorf("decode the picture: %w", err)
	}
	return nil
}
