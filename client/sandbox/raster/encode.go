package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"slices"

	"github.com/gen2brain/webp"
	decodewebp "golang.org/x/image/webp"
)

// Formats are the image formats that this package reads and writes.
var Formats = []string{"png", "jpeg", "webp"}

// DefaultQuality is the quality of jpeg and webp images if none is given.
const DefaultQuality = 85

// Known reports whether format is one of Formats.
func Known(format string) bool { return slices.Contains(Formats, format) }

// Encode encodes an image. Quality is 1 to 100, and 0 means DefaultQuality. It is
// ignored for png, which is lossless.
func Encode(img image.Image, format string, quality int) ([]byte, error) {
	if quality == 0 {
		quality = DefaultQuality
	}
	var out bytes.Buffer
	var err error
	switch format {
	case "png":
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, img)
	case "jpeg":
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	case "webp":
		err = webp.Encode(&out, toRGB(img), webp.Options{Quality: quality, Method: 2})
	default:
		return nil, fmt.Errorf("encode image: unknown format %q", format)
	}
	if err != nil {
		return nil, fmt.Errorf("encode image: %w", err)
	}
	return out.Bytes(), nil
}

// Decode decodes an image in the given format.
func Decode(data []byte, format string) (image.Image, error) {
	var img image.Image
	var err error
	switch r := bytes.NewReader(data); format {
	case "png":
		img, err = png.Decode(r)
	case "jpeg":
		img, err = jpeg.Decode(r)
	case "webp":
		img, err = decodewebp.Decode(r)
		img = toFullRange(img)
	default:
		err = fmt.Errorf("unknown format %q", format)
	}
	if err != nil {
		return nil, fmt.Errorf("decode image: %w", err)
	}
	return img, nil
}

// Size returns the size of an image without decoding its pixels.
func Size(data []byte, format string) (image.Point, error) {
	var size image.Config
	var err error
	switch r := bytes.NewReader(data); format {
	case "png":
		size, err = png.DecodeConfig(r)
	case "jpeg":
		size, err = jpeg.DecodeConfig(r)
	case "webp":
		size, err = decodewebp.DecodeConfig(r)
	default:
		err = fmt.Errorf("unknown format %q", format)
	}
	if err != nil {
		return image.Point{}, fmt.Errorf("read image: %w", err)
	}
	return image.Pt(size.Width, size.Height), nil
}
