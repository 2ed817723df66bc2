package raster

import (
	"image"
	"image/draw"
)

// WebP keeps its colours in video range (luma 16 to 235, chroma 16 to 240), Go's
// YCbCr pictures are in full range. Neither Go's reader nor our writer converts,
// so that colours would fade on the way in and glare on the way out.
var fullLuma, fullChroma = widen(16, 0, 219), widen(128, 128, 224)

// widen maps span steps, of which offset is the one that becomes zero, to the
// 255 of the full range.
func widen(offset, zero, span int) [256]uint8 {
	var table [256]uint8
	for v := range table {
		wide := (v - offset) * 255
		half := span / 2
		if wide < 0 {
			half = -half
		}
		table[v] = uint8(min(max((wide+half)/span+zero, 0), 255))
	}
	return table
}

// toFullRange converts a picture that was read from WebP, in place.
func toFullRange(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.YCbCr:
		spread(img)
	case *image.NYCbCrA:
		spread(&img.YCbCr)
	}
	return img
}

func spread(img *image.YCbCr) {
	for i, v := range img.Y {
		img.Y[i] = fullLuma[v]
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = fullChroma[img.Cb[i]], fullChroma[img.Cr[i]]
	}
}

// toRGB keeps the writer from taking over full-range planes as they are.
func toRGB(img image.Image) image.Image {
	switch img.(type) {
	case *image.YCbCr, *image.NYCbCrA:
		rgb := image.NewNRGBA(img.Bounds())
		draw.Draw(rgb, rgb.Bounds(), img, img.Bounds().Min, draw.Src)
		return rgb
	}
	return img
}
