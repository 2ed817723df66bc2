package sandbox

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// TestResizeCutsInsteadOfDistorting looks at what is left of a picture with
// one marked part when both sides are given.
func TestResizeCutsInsteadOfDistorting(t *testing.T) {
	red, blue := color.RGBA{0xff, 0, 0, 0xff}, color.RGBA{0, 0, 0xff, 0xff}
	for _, test := range []struct {
		name          string
		size, marked  image.Rectangle
		width, height int
	}{
		{"tall keeps its top", image.Rect(0, 0, 100, 200), image.Rect(0, 0, 100, 100), 50, 50},
		{"wide keeps its middle", image.Rect(0, 0, 200, 100), image.Rect(50, 0, 150, 100), 50, 50},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := image.NewRGBA(test.size)
			draw.Draw(src, test.size, image.NewUniform(blue), image.Point{}, draw.Src)
			draw.Draw(src, test.marked, image.NewUniform(red), image.Point{}, draw.Src)
			got := resize(src, test.width, test.height)
			for y := range test.height {
				for x := range test.width {
					if got.At(x, y) != red {
						t.Fatalf("pixel %d,%d is %v, want the marked part only", x, y, got.At(x, y))
					}
				}
			}
		})
	}
}
