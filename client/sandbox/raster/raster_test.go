package raster

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

func TestPlan(t *testing.T) {
	wide, tall := image.Rect(0, 0, 1200, 600), image.Rect(0, 0, 600, 1200)
	for _, c := range []struct {
		name string
		src  image.Rectangle
		form Form
		size image.Point
		part image.Rectangle
	}{
		{"untouched", wide, Form{}, image.Pt(1200, 600), wide},
		{"width", wide, Form{Width: 300}, image.Pt(300, 150), wide},
		{"height", tall, Form{Height: 300}, image.Pt(150, 300), tall},
		{"larger", wide, Form{Width: 2400}, image.Pt(2400, 1200), wide},
		{"same shape", wide, Form{Width: 200, Height: 100}, image.Pt(200, 100), wide},
		{"a wider source loses its sides", wide, Form{Width: 100, Height: 100}, image.Pt(100, 100), image.Rect(300, 0, 900, 600)},
		{"a taller source loses its bottom", tall, Form{Width: 100, Height: 100}, image.Pt(100, 100), image.Rect(0, 0, 600, 600)},
		{"inside", wide, Form{Width: 100, Height: 100, Inside: true}, image.Pt(100, 50), wide},
		{"scale", wide, Form{Scale: 0.5}, image.Pt(600, 300), wide},
		{"at least one px", image.Rect(0, 0, 2000, 1), Form{Width: 10}, image.Pt(10, 1), image.Rect(0, 0, 2000, 1)},
		{"crop", wide, Form{Crop: Crop{Top: 100, Right: 200, Left: 400}}, image.Pt(600, 500), image.Rect(400, 100, 1000, 600)},
		{"crop, then scale", wide, Form{Crop: Crop{Bottom: 300}, Width: 600}, image.Pt(600, 150), image.Rect(0, 0, 1200, 300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, part, err := c.form.Plan(c.src)
			if err != nil || size != c.size || part != c.part {
				t.Errorf("size %v of part %v (%v), want %v of %v", size, part, err, c.size, c.part)
			}
		})
	}
	for name, form := range map[string]Form{
		"side too long":  {Width: MaxSide},
		"area too large": {Width: 8000, Height: 8000},
		"no width left":  {Crop: Crop{Left: 300, Right: 300}},
		"no height left": {Crop: Crop{Top: 1200}},
	} {
		if size, _, err := form.Plan(tall); err == nil {
			t.Errorf("%s: got size %v, want an error", name, size)
		}
	}
}

// quarters returns an image with a different color in each quarter.
func quarters(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, c := range []color.RGBA{{0xff, 0, 0, 0xff}, {0, 0xff, 0, 0xff}, {0, 0, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff}} {
		x, y := i%2*w/2, i/2*h/2
		draw.Draw(img, image.Rect(x, y, x+w/2, y+h/2), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return img
}

func TestApplyShowsThePlannedPart(t *testing.T) {
	red := color.RGBA{0xff, 0, 0, 0xff}
	for name, form := range map[string]Form{
		"cropped":            {Crop: Crop{Right: 100, Bottom: 50}},
		"cropped and scaled": {Crop: Crop{Right: 100, Bottom: 50}, Width: 30, Height: 30},
		"cropped and larger": {Crop: Crop{Right: 100, Bottom: 50}, Scale: 2},
	} {
		got, err := form.Apply(quarters(200, 100))
		if err != nil {
			t.Fatal(name, err)
		}
		for _, p := range []image.Point{got.Bounds().Min, got.Bounds().Max.Sub(image.Pt(1, 1))} {
			if got.At(p.X, p.Y) != red {
				t.Errorf("%s: pixel %v is %v, want only red", name, p, got.At(p.X, p.Y))
			}
		}
	}
}

func TestEveryFormatComesBack(t *testing.T) {
	src := quarters(64, 32)
	for _, format := range Formats {
		data, err := Encode(src, format, 90)
		if err != nil {
			t.Fatal(format, err)
		}
		size, err := Size(data, format)
		if err != nil || size != image.Pt(64, 32) {
			t.Errorf("%s: size %v (%v)", format, size, err)
		}
		img, err := Decode(data, format)
		if err != nil {
			t.Fatal(format, err)
		}
		for _, p := range []image.Point{{8, 8}, {56, 8}, {8, 24}, {56, 24}} {
			want := src.RGBAAt(p.X, p.Y)
			r, g, b, _ := img.At(p.X, p.Y).RGBA()
			for i, pair := range [][2]int{{int(r >> 8), int(want.R)}, {int(g >> 8), int(want.G)}, {int(b >> 8), int(want.B)}} {
				if d := pair[0] - pair[1]; d < -24 || d > 24 {
					t.Errorf("%s: pixel %v channel %d is %d, want about %d", format, p, i, pair[0], pair[1])
				}
			}
		}
	}
	if _, err := Encode(src, "gif", 0); err == nil {
		t.Error("Encode accepted an unknown format")
	}
	for _, format := range append([]string{"gif"}, Formats...) {
		if _, err := Decode([]byte("not an image"), format); err == nil {
			t.Errorf("%s: Decode accepted invalid data", format)
		}
		if _, err := Size([]byte("not an image"), format); err == nil {
			t.Errorf("%s: Size accepted invalid data", format)
		}
	}
}

func TestQualityChangesTheSize(t *testing.T) {
	src, err := Form{Width: 640}.Apply(quarters(64, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"jpeg", "webp"} {
		low, err := Encode(src, format, 5)
		if err != nil {
			t.Fatal(err)
		}
		high, err := Encode(src, format, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(low) >= len(high) {
			t.Errorf("%s: quality 5 has %d bytes, quality 100 %d", format, len(low), len(high))
		}
	}
}
