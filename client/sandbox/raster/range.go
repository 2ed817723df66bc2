package raster

import (
	"image"
	"image/draw"
)

// WebP stores colors in video range (luma 16 to 235, chroma 16 to 240), but Go's
// YCbCr images are in full range. Neither the decoder nor the encoder converts.
// Without a conversion, colors would lose contrast when decoded and gain contrast
// when encoded.
var fullLuma, fullChroma = rangeTable(16, 0, 219), rangeTable(128, 128, 224)

// rangeTable returns a table that maps a range of span steps to the 255 steps of
// the full range. offset is the value that maps to zero.
func rangeTable(offset, zero, span int) [256]uint8 {
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

// toFullRange converts an image that was decoded from WebP, in place.
func toFullRange(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.YCbCr:
		convertPlanes(img)
	case *image.NYCbCrA:
		convertPlanes(&img.YCbCr)
	}
	return img
}

func convertPlanes(img *image.YCbCr) {
	for i, v := range img.Y {
		img.Y[i] = fullLuma[v]
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = fullChroma[img.Cb[i]], fullChroma[img.Cr[i]]
	}
}

// toRGB converts YCbCr images to RGB. Otherwise the encoder would use full-range
// planes as if they were in video range.
func toRGB(img image.Image) image.Image {
	switch img.(type) {
	case *image.YCbCr, *image.NYCbCrA:
		rgb := image.NewNRGBA(img.Bounds())
		draw.Draw(rgb, rgb.Bounds(), img, img.Bounds().Min, draw.Src)
		return rgb
	}
	return img
}
