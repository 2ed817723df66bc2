package raster

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// However a picture wanders from format to format, its colours stay.
func TestColoursSurviveEveryFormat(t *testing.T) {
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
			off := func(a, b uint8) bool { return max(a, b)-min(a, b) > 6 }
			if off(got.R, want.R) || off(got.G, want.G) || off(got.B, want.B) {
				t.Errorf("%v is %v after %s", want, got, format)
			}
		}
	}
}
