// Package raster converts images to a requested size and format. It does not
// depend on pages, browsers or the API.
package raster

import (
	"fmt"
	"image"
	"math"
	"runtime"

	"golang.org/x/image/draw"
)

// MaxSide is the maximum length of an image's side in px. Chromium cannot capture
// more in one piece, WebP files cannot hold more, and it limits the use of
// memory.
const MaxSide = 16383

// MaxPixels is the maximum area of an image in px. It limits the use of memory,
// because a decoded pixel takes four bytes.
const MaxPixels = 50_000_000

// maxKernel is the maximum area for the scaling algorithm with the better
// quality. The algorithm takes 32 bytes per px of an area that is as wide as the
// result and as high as the source.
const maxKernel = 16_000_000

// scaling limits how many images are scaled at once in this process.
var scaling = make(chan struct{}, max(1, runtime.NumCPU()))

// Form describes the size of a result. The zero value does not change the image.
type Form struct {
	Crop Crop

	// Width and Height are the size of the result in px. If one of them is 0, it
	// follows from the aspect ratio. If both are 0, the size follows from the
	// source and Scale.
	Width, Height int
	// Inside selects the behavior if both sides are given and the source has
	// another aspect ratio. If it is true, the image is scaled to fit inside, and
	// one side of the result is shorter. If it is false, the image fills the size,
	// and the excess is cut off at the bottom or equally at the left and right. The
	// image is never distorted.
	Inside bool
	// Scale multiplies the size if neither side is given; 0 means 1.
	Scale float64
}

// Crop is the number of px to cut off from each side. Cropping comes before
// scaling.
type Crop struct{ Top, Right, Bottom, Left int }

// Plan returns the size of the result and the part of the source that it shows.
// It returns an error if the crop leaves nothing, or if the result would exceed
// MaxSide or MaxPixels.
func (f Form) Plan(src image.Rectangle) (size image.Point, part image.Rectangle, err error) {
	part = image.Rect(src.Min.X+f.Crop.Left, src.Min.Y+f.Crop.Top, src.Max.X-f.Crop.Right, src.Max.Y-f.Crop.Bottom)
	if f.Crop.Left+f.Crop.Right >= src.Dx() || f.Crop.Top+f.Crop.Bottom >= src.Dy() {
		return size, part, fmt.Errorf("the crop leaves nothing of an image of %d by %d px", src.Dx(), src.Dy())
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
		part = cover(part, size)
	}
	if size.X > MaxSide || size.Y > MaxSide {
		return size, part, fmt.Errorf("the image would be %d by %d px, but a side must not exceed %d", size.X, size.Y, MaxSide)
	}
	if size.X*size.Y > MaxPixels {
		return size, part, fmt.Errorf("the image would be %d by %d px, which is more than %d px in total", size.X, size.Y, MaxPixels)
	}
	return size, part, nil
}

func pixels(w, h float64) image.Point {
	side := func(f float64) int { return max(1, int(math.Round(min(f, math.MaxInt32)))) }
	return image.Pt(side(w), side(h))
}

// cover returns the part of src that has the aspect ratio of size: the top of a
// higher source, or the center of a wider one.
func cover(src image.Rectangle, size image.Point) image.Rectangle {
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

// Apply converts src to the form. If nothing changes, it returns src itself.
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
