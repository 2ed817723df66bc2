// Package raster brings pictures to the size and format that somebody asked
// for. It knows nothing of pages, browsers or the API.
package raster

import (
	"fmt"
	"image"
	"math"
	"runtime"

	"golang.org/x/image/draw"
)

// MaxSide is the longest side of a picture in px: what Chromium captures in
// one piece, what a WebP file can hold, and a bound on memory.
const MaxSide = 16383

// MaxPixels is the largest area of a picture in px, a bound on memory: decoded,
// each takes four bytes.
const MaxPixels = 50_000_000

// maxKernel is the largest area for which the better scaling is used: it takes
// 32 bytes for each px of the result's width and the source's height.
const maxKernel = 16_000_000

// scaling bounds how many pictures are scaled at once in this process.
var scaling = make(chan struct{}, max(1, runtime.NumCPU()))

// Form is what a picture is brought to. The zero value leaves it as it is.
type Form struct {
	Crop Crop

	// Width and Height are the size of the result in px; 0 follows from the
	// other side, or from the source when both are 0.
	Width, Height int
	// Inside decides what happens when both sides are given and the source has
	// another shape: true scales it to fit inside, so that one side comes out
	// shorter; false fills both sides and cuts what sticks out, at the bottom or
	// evenly at both sides. Nothing is ever distorted.
	Inside bool
	// Scale multiplies the size when neither side is given; 0 means 1.
	Scale float64
}

// Crop is how many px are cut off each side before anything else happens.
type Crop struct{ Top, Right, Bottom, Left int }

// Plan returns the size of the result and the part of the source that fills
// it. It fails when the crop leaves nothing, a side would exceed MaxSide or the
// area MaxPixels.
func (f Form) Plan(src image.Rectangle) (size image.Point, part image.Rectangle, err error) {
	part = image.Rect(src.Min.X+f.Crop.Left, src.Min.Y+f.Crop.Top, src.Max.X-f.Crop.Right, src.Max.Y-f.Crop.Bottom)
	if f.Crop.Left+f.Crop.Right >= src.Dx() || f.Crop.Top+f.Crop.Bottom >= src.Dy() {
		return size, part, fmt.Errorf("the crop leaves nothing of a picture of %d by %d px", src.Dx(), src.Dy())
	}
	w, h := float64(part.Dx()), float64(part.Dy())
	width, height := float64(f.Width), float64(f.Height)
	switch {
	case f.Width == 0 && f.Height == 0:
		scale := f.Scale
		if scale == 0 {
			scale = 1
		}
		size = pixels(w*scale, h*scale)
	case f.Height == 0:
		size = pixels(width, width*h/w)
	case f.Width == 0:
		size = pixels(height*w/h, height)
	case f.Inside:
		scale := min(width/w, height/h)
		size = pixels(w*scale, h*scale)
	default:
		size = image.Pt(f.Width, f.Height)
		part = fill(part, size)
	}
	if size.X > MaxSide || size.Y > MaxSide {
		return size, part, fmt.Errorf("the picture would be %d by %d px, a side may have %d", size.X, size.Y, MaxSide)
	}
	if size.X*size.Y > MaxPixels {
		return size, part, fmt.Errorf("the picture would be %d by %d px, more than %d in all", size.X, size.Y, MaxPixels)
	}
	return size, part, nil
}

func pixels(w, h float64) image.Point {
	side := func(f float64) int { return max(1, int(math.Round(min(f, math.MaxInt32)))) }
	return image.Pt(side(w), side(h))
}

// fill is the part of src that has the shape of size: the upper end of a
// taller source, the middle of a wider one.
func fill(src image.Rectangle, size image.Point) image.Rectangle {
	w, h := float64(size.X), float64(size.Y)
	sw, sh := float64(src.Dx()), float64(src.Dy())
	if sw*h > sh*w {
		keep := max(1, int(math.Round(sh*w/h)))
		src.Min.X += (src.Dx() - keep) / 2
		src.Max.X = src.Min.X + keep
		return src
	}
	src.Max.Y = src.Min.Y + max(1, int(math.Round(sw*h/w)))
	return src
}

// Apply brings src to the form; a picture that has it already is returned as
// it is.
func (f Form) Apply(src image.Image) (image.Image, error) {
	size, part, err := f.Plan(src.Bounds())
	if err != nil {
		return nil, err
	}
	if part == src.Bounds() && size == part.Size() {
		return src, nil
	}
	dst := image.NewRGBA(image.Rectangle{Max: size})
	if size == part.Size() {
		draw.Copy(dst, image.Point{}, src, part, draw.Src, nil)
		return dst, nil
	}
	scaling <- struct{}{}
	defer func() { <-scaling }()
	scaler := draw.Scaler(draw.CatmullRom)
	if size.X*part.Dy() > maxKernel {
		scaler = draw.ApproxBiLinear
	}
	scaler.Scale(dst, dst.Bounds(), src, part, draw.Src, nil)
	return dst, nil
}
