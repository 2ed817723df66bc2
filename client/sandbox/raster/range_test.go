package raster

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// Colors stay the same if an image is converted between all formats.
func TestColorsSurviveEveryFormat(t *testing.T) {
	for _, want := range []color.RGBA{{0xd0, 0x20, 0x10, 0xff}, {0x10, 0x30, 0xc0, 0xff}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0xff}} {
		var img image.Image = image.NewRGBA(image.Rect(0, 0, 32, 32))
		draw.Draw(img.(draw.Image), img.Bounds(), image.NewUniform(want), image.Point{}, draw.Src)
		for _, format := range []string{"jpeg", "webp", "jpeg", "webp", "png", "webp"} {
			data, err := Encode(img, format, 95)
			if err != nil {
				t.Fatal(err)
			}
			if img, err = Decode(data, format); err != nil {
				t.Fatal(err)
			}
			got := color.RGBAModel.Convert(img.At(16, 16)).(color.RGBA)
			differs := func(a, b uint8) bool { return max(a, b)-min(a, b) > 6 }
			if differs(got.R, want.R) || differs(got.G, want.G) || differs(got.B, want.B) {
				t.Errorf("%v became %v after %s", want, got, format)
			}
		}
	}
}
