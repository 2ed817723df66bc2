package chrome

import (
	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

// scaled reports whether the image has another size than the capture.
func scaled(f sandbox.Frame) bool { return f.Width > 0 || f.Height > 0 }

// convert converts a capture to the requested size and format.
func convert(capture []byte, f sandbox.Frame) (sandbox.Image, error) {
	if !scaled(f) {
		size, err := raster.Size(capture, f.Format)
		return sandbox.Image{Data: capture, Format: f.Format, Width: size.X, Height: size.Y}, err
	}
	img, err := raster.Decode(capture, "png")
	if err != nil {
		return sandbox.Image{}, err
	}
	if img, err = (raster.Form{Width: f.Width, Height: f.Height}).Apply(img); err != nil {
		return sandbox.Image{}, err
	}
	data, err := raster.Encode(img, f.Format, f.Quality)
	size := img.Bounds()
	return sandbox.Image{Data: data, Format: f.Format, Width: size.Dx(), Height: size.Dy()}, err
}
