package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// page draws a page with a red field.
func page(width, height int, field image.Rectangle) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p, p.Bounds(), image.NewUniform(color.NRGBA{R: 240, G: 245, B: 250, A: 255}), image.Point{}, draw.Src)
	draw.Draw(p, field, image.NewUniform(color.NRGBA{R: 255, A: 255}), image.Point{}, draw.Src)
	return p
}

func encoded(t *testing.T, p image.Image) Bytes {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCompare(t *testing.T) {
	field := image.Rect(10, 10, 30, 20)
	plain := page(100, 50, field)
	almost := page(100, 50, field)
	draw.Draw(almost, image.Rect(40, 0, 60, 50), image.NewUniform(color.NRGBA{R: 238, G: 245, B: 251, A: 255}), image.Point{}, draw.Src)
	clear := page(100, 50, field)
	clear.SetNRGBA(99, 49, color.NRGBA{})
	shifted := image.NewNRGBA(image.Rect(7, 9, 107, 59))
	draw.Draw(shifted, shifted.Bounds(), plain, image.Point{}, draw.Src)
	palette := image.NewPaletted(plain.Bounds(), color.Palette{color.NRGBA{R: 240, G: 245, B: 250, A: 255}, color.NRGBA{R: 255, A: 255}})
	draw.Draw(palette, palette.Bounds(), plain, image.Point{}, draw.Src)
	var asGIF, asJPEG bytes.Buffer
	if err := errors.Join(gif.Encode(&asGIF, palette, nil), jpeg.Encode(&asJPEG, plain, &jpeg.Options{Quality: 100})); err != nil {
		t.Fatal(err)
	}

	c := NewComparer(MaxPixels)
	for name, test := range map[string]struct {
		b       Bytes
		changed int64
		share   float64
	}{
		"the same":                          {encoded(t, plain), 0, 0},
		"the same in another format":        {asGIF.Bytes(), 0, 0},
		"compressed":                        {asJPEG.Bytes(), 0, 0},
		"the same palette":                  {encoded(t, palette), 0, 0},
		"colors that look the same":         {encoded(t, almost), 0, 0},
		"transparent is white":              {encoded(t, clear), 0, 0},
		"a moved field":                     {encoded(t, page(100, 50, field.Add(image.Pt(1, 0)))), 20, 20. / 5000},
		"a longer page":                     {encoded(t, page(100, 60, field)), 1000, 1. / 6},
		"a shorter page":                    {encoded(t, page(100, 40, field)), 1000, 1. / 5},
		"a narrower and longer page":        {encoded(t, page(80, 100, field)), 20*50 + 100*50, 6000. / 10000},
		"another field on a longer page":    {encoded(t, page(100, 60, field.Add(image.Pt(1, 0)))), 1020, 1020. / 6000},
		"other bytes with the same picture": {encoded(t, shifted), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			kept := false
			r, err := c.Compare(t.Context(), encoded(t, plain), test.b, func(r Result, draw func() image.Image) error {
				kept = true
				checkMark(t, r, draw())
				return nil
			})
			if err != nil || r.Changed != test.changed || r.Share != test.share || kept != (test.changed > 0) {
				t.Errorf("%+v, kept %v, %v; want %d changed pixels, a share of %v", r, kept, err, test.changed, test.share)
			}
			back, err := c.Compare(t.Context(), test.b, encoded(t, plain), nil)
			if err != nil || back.Changed != r.Changed || back.A != r.B || back.B != r.A {
				t.Errorf("the other way round: %+v, %v", back, err)
			}
		})
	}
}

// checkMark checks that a mark has as many colored pixels as have changed.
func checkMark(t *testing.T, r Result, mark image.Image) {
	t.Helper()
	if want := canvasOf(r.A, r.B); mark.Bounds().Size() != want {
		t.Errorf("the mark has %v pixels, want %v", mark.Bounds().Size(), want)
	}
	n := int64(0)
	for _, index := range mark.(*image.Paletted).Pix {
		if index >= uncommon {
			n++
		}
	}
	if n != r.Changed {
		t.Errorf("%d marked pixels, want %d", n, r.Changed)
	}
}

// broken is a source that fails while it is read.
type broken struct{}

func (broken) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrPermission }

func TestCompareErrors(t *testing.T) {
	good := encoded(t, page(40, 30, image.Rectangle{}))
	large := encoded(t, page(50, 30, image.Rectangle{}))
	c := NewComparer(1200)
	for name, test := range map[string]struct {
		a, b   Source
		second bool
		want   string
	}{
		"no picture":      {good, Bytes("<html>"), true, "pictures of this format cannot be compared"},
		"avif":            {Bytes("\x00\x00\x00\x20ftypavif"), good, false, "pictures of this format cannot be compared"},
		"truncated":       {good, good[:len(good)-20], true, "decode the picture"},
		"too large":       {good, large, true, "50 × 30 pixels"},
		"first too large": {large, good, false, "50 × 30 pixels"},
		"unreadable":      {good, broken{}, true, "permission"},
	} {
		_, err := c.Compare(t.Context(), test.a, test.b, nil)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Second != test.second || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %#v, want %q", name, err, test.want)
		}
	}
	// A picture that is too large is not decoded even if it is the same.
	if r, err := c.Compare(t.Context(), large, large, nil); err != nil || r != (Result{}) {
		t.Errorf("the same bytes: %+v, %v", r, err)
	}
}

// TestCompareWaits compares pictures at the same time that are too large for each
// other.
func TestCompareWaits(t *testing.T) {
	a, b := encoded(t, page(40, 30, image.Rectangle{})), encoded(t, page(40, 30, image.Rect(0, 0, 5, 5)))
	c := NewComparer(1300)
	var at, most int
	var mu sync.Mutex
	var all sync.WaitGroup
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		at += n
		most = max(most, at)
	}
	for range 8 {
		all.Go(func() {
			r, err := c.Compare(t.Context(), a, b, func(Result, func() image.Image) error {
				count(1)
				defer count(-1)
				return nil
			})
			if err != nil || r.Changed != 25 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d pairs at once, want 1", most)
	}
}

func BenchmarkCompare(b *testing.B) {
	one, two := page(1280, 5000, image.Rect(0, 0, 100, 100)), page(1280, 5000, image.Rect(5, 0, 105, 100))
	for b.Loop() {
		compare(one, two, nil)
	}
}
