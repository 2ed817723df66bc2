package chrome

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"shotline/client/pageurl"
	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

// Limits of a request.
const (
	maxScreen = 8192 // CSS px of a side of the viewport
	maxScale  = 8    // device px per CSS px
	minScale  = 0.1
	maxShots  = 100
)

// complete checks a request and sets defaults. Its errors name the vendor's
// parameter.
func complete(req sandbox.RenderRequest) (sandbox.RenderRequest, error) {
	if err := checkURL(req.URL); err != nil {
		return req, err
	}
	setDefault(&req.ScreenWidth, sandbox.DefaultScreenWidth)
	setDefault(&req.ScreenHeight, sandbox.DefaultScreenHeight)
	setDefault(&req.Scale, 1)
	setDefault(&req.Format, "png")
	setDefault(&req.Images, 1)
	if req.Landscape && req.ScreenWidth < req.ScreenHeight {
		req.ScreenWidth, req.ScreenHeight = req.ScreenHeight, req.ScreenWidth
	}
	for _, check := range []func(sandbox.RenderRequest) error{checkNumbers, checkDevice, checkVisit, checkSteps} {
		if err := check(req); err != nil {
			return req, err
		}
	}
	if !raster.Known(req.Format) {
		return req, fmt.Errorf("format: %q is not one of %s", req.Format, strings.Join(raster.Formats, ", "))
	}
	if req.PDF != nil {
		if _, err := req.PDF.Paper(); err != nil {
			return req, err
		}
	}
	return req, nil
}

// setDefault sets a field to value if it is zero.
func setDefault[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}

func checkURL(address string) error {
	u, err := pageurl.Parse(address)
	switch {
	case err != nil || u.Scheme == "":
		return errors.New("url: not an absolute URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("url: only http and https can be rendered, not %s", u.Scheme)
	case u.Host == "":
		return errors.New("url: no host")
	}
	return nil
}

func checkNumbers(req sandbox.RenderRequest) error {
	for _, number := range []struct {
		name            string
		value, max, min int
	}{
		{"width", req.Width, raster.MaxSide, 0},
		{"height", req.Height, raster.MaxSide, 0},
		{"screen_width", req.ScreenWidth, maxScreen, 1},
		{"screen_height", req.ScreenHeight, maxScreen, 1},
		{"quality", req.Quality, 100, 0},
		{"max_height", req.MaxHeight, math.MaxInt32, 0},
		{"shots", req.Images, maxShots, 1},
	} {
		if number.value < number.min || number.value > number.max {
			return fmt.Errorf("%s: %d is not between %d and %d", number.name, number.value, number.min, number.max)
		}
	}
	return nil
}

func checkDevice(req sandbox.RenderRequest) error {
	d := req.Device
	switch at := d.Location; {
	case !(d.Scale >= minScale && d.Scale <= maxScale):
		return fmt.Errorf("device_scale: %v is not between %v and %v", d.Scale, minScale, maxScale)
	case float64(max(d.ScreenWidth, d.ScreenHeight))*d.Scale > raster.MaxSide:
		return fmt.Errorf("device_scale: a screen of %d by %d at scale %v exceeds the longest side of an image (%d px)",
			d.ScreenWidth, d.ScreenHeight, d.Scale, raster.MaxSide)
	case float64(d.ScreenWidth)*float64(d.ScreenHeight)*d.Scale*d.Scale > raster.MaxPixels:
		return fmt.Errorf("device_scale: a screen of %d by %d at scale %v has more than %d px", d.ScreenWidth, d.ScreenHeight, d.Scale, raster.MaxPixels)
	case d.Language != "" && !sandbox.ValidLanguage(d.Language):
		return fmt.Errorf("language: %q is not a language such as fr or fr-FR", d.Language)
	case !sandbox.ValidHeaderValue(d.UserAgent):
		return errors.New("user_agent: control characters are not allowed")
	case at != nil && !(math.Abs(at.Latitude) <= 90):
		return fmt.Errorf("geo_latitude: %v is not between -90 and 90", at.Latitude)
	case at != nil && !(math.Abs(at.Longitude) <= 180):
		return fmt.Errorf("geo_longitude: %v is not between -180 and 180", at.Longitude)
	}
	return nil
}

// browserHeaders are the headers that only the browser may set.
var browserHeaders = map[string]bool{
	"connection": true, "content-length": true, "expect": true, "host": true, "keep-alive": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

func checkVisit(req sandbox.RenderRequest) error {
	for _, pair := range req.Header {
		switch {
		case !sandbox.ValidToken(pair.Name):
			return fmt.Errorf("header: %q is not a valid header name", pair.Name)
		case browserHeaders[strings.ToLower(pair.Name)]:
			return fmt.Errorf("header: %s cannot be set", pair.Name)
		case !sandbox.ValidHeaderValue(pair.Value):
			return fmt.Errorf("header: the value of %s has control characters", pair.Name)
		}
	}
	return nil
}

func checkSteps(req sandbox.RenderRequest) error {
	for i, step := range req.Steps {
		switch step.Command {
		case sandbox.StepClick, sandbox.StepWait, sandbox.StepScroll, sandbox.StepScreenshot:
		case sandbox.StepFill, sandbox.StepType:
			if step.Selector == "" {
				return fmt.Errorf("steps: step %d (%s) needs a selector", i+1, step.Command)
			}
		default:
			return fmt.Errorf("steps: step %d has the unknown command %q", i+1, step.Command)
		}
	}
	return nil
}
