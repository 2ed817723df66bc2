package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
)

// visible is the square of the YIQ distance from which on two colors look
// different. It is the default of pixelmatch: a tenth of the largest distance.
const visible = 35215 * 0.1 * 0.1

// The colors of a mark besides shades of gray.
const (
	changedIndex = 255 // a pixel that differs
	uncommon     = 254 // a pixel that only one picture has
)

var markColors = func() color.Palette {
	colors := make(color.Palette, 256)
	for i := range colors {
		colors[i] = color.Gray{Y: uint8(i)}
	}
	colors[changedIndex] = color.RGBA{R: 0xd9, G: 0x1f, B: 0x11, A: 0xff}
	colors[uncommon] = color.RGBA{R: 0xf2, G: 0xb0, B: 0xa8, A: 0xff}
	return colors
}()

// compare counts the pixels of the canvas that differ. If mark is not nil, it has
// the size of the canvas, and compare draws into it: the first picture in pale
// gray, with the differences in red.
func compare(a, b image.Image, mark *image.Paletted) (changed int64) {
	canvas := canvasOf(a.Bounds().Size(), b.Bounds().Size())
	common := image.Pt(min(a.Bounds().Dx(), b.Bounds().Dx()), min(a.Bounds().Dy(), b.Bounds().Dy()))
	lineA, lineB := newLine(a, common.X), newLine(b, common.X)
	for y := range canvas.Y {
		var out []uint8
		if mark != nil {
			out = mark.Pix[y*mark.Stride:][:canvas.X]
		}
		covered := 0
		if y < common.Y {
			covered = common.X
			changed += compareLine(lineA.read(y), lineB.read(y), out)
		}
		changed += int64(canvas.X - covered)
		for x := covered; x < len(out); x++ {
			out[x] = uncommon
		}
	}
	return changed
}

// compareLine compares two lines of RGBA pixels.
func compareLine(a, b []uint8, out []uint8) (changed int64) {
	if bytes.Equal(a, b) {
		for x := range out[:min(len(out), len(a)/4)] {
			out[x] = pale(a[4*x:])
		}
		return 0
	}
	for x := range len(a) / 4 {
		p, q := a[4*x:4*x+4], b[4*x:4*x+4]
		differs := looksDifferent(p, q)
		if differs {
			changed++
		}
		switch {
		case out == nil:
		case differs:
			out[x] = changedIndex
		default:
			out[x] = pale(p)
		}
	}
	return changed
}

func looksDifferent(p, q []uint8) bool {
	if p[0] == q[0] && p[1] == q[1] && p[2] == q[2] {
		return false
	}
	r, g, b := float64(p[0])-float64(q[0]), float64(p[1])-float64(q[1]), float64(p[2])-float64(q[2])
	y := r*0.29889531 + g*0.58662247 + b*0.11448223
	i := r*0.59597799 - g*0.27417610 - b*0.32180189
	k := r*0.21147017 - g*0.52261711 + b*0.31114694
	return 0.5053*y*y+0.299*i*i+0.1957*k*k > visible
}

// pale returns a light gray for the brightness of a pixel.
func pale(p []uint8) uint8 {
	y := (299*int(p[0]) + 587*int(p[1]) + 114*int(p[2])) / 1000
	return uint8(min(255-(255-y)/5, uncommon-1))
}

// line reads the lines of a picture as they look on white paper.
type line struct {
	picture image.Image
	opaque  bool
	direct  []uint8 // pixels of an opaque picture with four bytes each; nil: another picture
	stride  int
	width   int
	pixels  *image.RGBA
}

func newLine(picture image.Image, width int) *line {
	l := &line{picture: picture, width: width}
	if p, knows := picture.(interface{ Opaque() bool }); knows {
		l.opaque = p.Opaque()
	}
	switch p := picture.(type) {
	case *image.RGBA:
		l.direct, l.stride = p.Pix, p.Stride
	case *image.NRGBA:
		l.direct, l.stride = p.Pix, p.Stride
	}
	if l.direct == nil || !l.opaque {
		l.direct, l.pixels = nil, image.NewRGBA(image.Rect(0, 0, width, 1))
	}
	return l
}

func (l *line) read(y int) []uint8 {
	if l.direct != nil {
		return l.direct[y*l.stride:][:4*l.width]
	}
	op := draw.Src
	if !l.opaque {
		draw.Draw(l.pixels, l.pixels.Bounds(), image.White, image.Point{}, draw.Src)
		op = draw.Over
	}
	draw.Draw(l.pixels, l.pixels.Bounds(), l.picture, l.picture.Bounds().Min.Add(image.Pt(0, y)), op)
	return l.pixels.Pix
}

// canvasOf returns the smallest size that has room for both.
func canvasOf(a, b image.Point) image.Point { return image.Pt(max(a.X, b.X), max(a.Y, b.Y)) }
