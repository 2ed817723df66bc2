package sandbox

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// weight selects one of the bundled fonts.
type weight int

const (
	regular weight = iota
	bold
)

// parsedFonts parses the embedded fonts once and returns them by weight. The
// fonts are read-only.
var parsedFonts = sync.OnceValues(func() ([]*opentype.Font, error) {
	var fonts []*opentype.Font
	for _, data := range [][]byte{goregular.TTF, gobold.TTF} {
		f, err := opentype.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("parse bundled font: %w", err)
		}
		fonts = append(fonts, f)
	}
	return fonts, nil
})

// canvas draws anti-aliased boxes and text. It keeps the first error, so that
// drawing code need not check each call. It must be used by one goroutine at a
// time.
type canvas struct {
	img   *image.RGBA
	fonts []*opentype.Font
	faces []font.Face
	err   error
}

func newCanvas(w, h int) (*canvas, error) {
	fonts, err := parsedFonts()
	if err != nil {
		return nil, err
	}
	return &canvas{img: image.NewRGBA(image.Rect(0, 0, w, h)), fonts: fonts}, nil
}

func (c *canvas) close() {
	for _, face := range c.faces {
		_ = face.Close() // releases only Go memory
	}
}

func (c *canvas) fill(col color.RGBA) {
	draw.Draw(c.img, c.img.Bounds(), image.NewUniform(col), image.Point{}, draw.Src)
}

// box draws a filled rectangle on whole pixels, with corners of the given radius.
// Only the two ends that contain the corners need the slow anti-aliased drawing.
func (c *canvas) box(x, y, w, h, radius float64, col color.RGBA) {
	area := image.Rect(round(x), round(y), round(x+w), round(y+h))
	if area.Empty() {
		return
	}
	r := min(round(radius), area.Dx()/2, area.Dy()/2)
	src := image.NewUniform(col)
	draw.Draw(c.img, image.Rect(area.Min.X, area.Min.Y+r, area.Max.X, area.Max.Y-r), src, image.Point{}, draw.Over)
	if r == 0 {
		return
	}
	end := image.Rect(area.Min.X, area.Min.Y, area.Max.X, area.Min.Y+r)
	c.roundEnd(end, 0, src)
	c.roundEnd(end.Add(image.Pt(0, area.Dy()-r)), float32(r), src)
}

// roundEnd draws one end of a rounded box. The corners are as high as area. tip
// is the height of the outer edge: 0 for the upper end, the height of area for
// the lower end.
func (c *canvas) roundEnd(area image.Rectangle, tip float32, src image.Image) {
	w, r := float32(area.Dx()), float32(area.Dy())
	base := r - tip
	const k = 0.4477 // 1 minus the factor with which a Bézier curve approximates a quarter circle
	pull := tip + (base-tip)*k
	z := vector.NewRasterizer(area.Dx(), area.Dy())
	z.MoveTo(0, base)
	z.CubeTo(0, pull, k*r, tip, r, tip)
	z.LineTo(w-r, tip)
	z.CubeTo(w-k*r, tip, w, pull, w, base)
	z.ClosePath()
	// Draw to a mask, because the rasterizer does not clip to its target.
	mask := image.NewAlpha(image.Rectangle{Max: area.Size()})
	z.Draw(mask, mask.Bounds(), image.Opaque, image.Point{})
	draw.DrawMask(c.img, area, src, image.Point{}, mask, image.Point{}, draw.Over)
}

func round(n float64) int { return int(math.Round(n)) }

// text draws one line with its baseline at y. If the line is wider than room, the
// text becomes smaller and, if that is not enough, is truncated.
func (c *canvas) text(x, y, size float64, w weight, col color.RGBA, room float64, line string) {
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(col), Dot: fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(y * 64)}}
	limit := fixed.Int26_6(room * 64)
	smallest := size * 0.55
	for {
		if d.Face = c.face(w, size); d.Face == nil {
			return
		}
		if d.MeasureString(line) <= limit || size <= smallest {
			break
		}
		size = max(size*0.85, smallest)
	}
	if d.MeasureString(line) > limit {
		// A line never shows more than 400 runes, so longer text need not be
		// measured.
		runes := []rune(line)
		runes = runes[:min(len(runes), 400)]
		for len(runes) > 0 && d.MeasureString(string(runes)+"…") > limit {
			runes = runes[:len(runes)-1]
		}
		line = string(runes) + "…"
	}
	d.DrawString(line)
}

func (c *canvas) face(w weight, size float64) font.Face {
	face, err := opentype.NewFace(c.fonts[w], &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		c.err = fmt.Errorf("open font face: %w", err)
		return nil
	}
	c.faces = append(c.faces, face)
	return face
}
