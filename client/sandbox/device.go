package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"shotline/client/sandbox/raster"
)

// User agents of the known devices.
const (
	agentPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	agentPad     = "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	agentAndroid = "Mozilla/5.0 (Linux; Android 14; %s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
)

// devices are the known values of device_name, in portrait orientation. Names
// match regardless of case and separators, and the name of the manufacturer may
// precede them. The vendor does not document its own list.
var devices = map[string]Device{
	"iphone se":         phone(375, 667, 2, agentPhone),
	"iphone 12":         phone(390, 844, 3, agentPhone),
	"iphone 13":         phone(390, 844, 3, agentPhone),
	"iphone 14":         phone(390, 844, 3, agentPhone),
	"iphone 14 pro max": phone(430, 932, 3, agentPhone),
	"iphone 15":         phone(393, 852, 3, agentPhone),
	"iphone 15 pro":     phone(393, 852, 3, agentPhone),
	"ipad":              phone(810, 1080, 2, agentPad),
	"ipad mini":         phone(768, 1024, 2, agentPad),
	"ipad pro":          phone(1024, 1366, 2, agentPad),
	"pixel 7":           phone(412, 915, 2.625, fmt.Sprintf(agentAndroid, "Pixel 7")),
	"pixel 8":           phone(412, 915, 2.625, fmt.Sprintf(agentAndroid, "Pixel 8")),
	"galaxy s20":        phone(360, 800, 3, fmt.Sprintf(agentAndroid, "SM-G981B")),
	"galaxy s23":        phone(360, 780, 3, fmt.Sprintf(agentAndroid, "SM-S911B")),
	"galaxy tab s8":     phone(800, 1280, 2, fmt.Sprintf(agentAndroid, "SM-X700")),
}

func phone(width, height int, scale float64, agent string) Device {
	return Device{ScreenWidth: width, ScreenHeight: height, Scale: scale, Mobile: true, Touch: true, UserAgent: agent}
}

// device reads the device that the browser emulates. A parameter takes precedence
// over the value that device_name implies.
func (p *params) device() Device {
	d := p.namedDevice()
	d.ScreenWidth = p.integer("screen_width", 1, maxWidth, orElse(d.ScreenWidth, DefaultScreenWidth))
	d.ScreenHeight = p.integer("screen_height", 1, maxWidth, orElse(d.ScreenHeight, DefaultScreenHeight))
	d.Scale = p.number("device_scale", 0.5, 4, d.Scale)
	if scale := orElse(d.Scale, 1); float64(d.ScreenWidth*d.ScreenHeight)*scale*scale > raster.MaxPixels {
		p.refuse("device_scale", fmt.Sprintf("makes a screen of more than %d px", raster.MaxPixels))
	}
	d.Mobile = p.flagOr("device_mobile", d.Mobile)
	d.Touch = p.flagOr("device_touch", d.Touch)
	d.Landscape = p.flag("device_landscape")
	d.UserAgent = orElse(p.line("user_agent"), d.UserAgent)
	d.Language = p.language()
	d.Timezone = p.timezone()
	d.Dark = p.flag("dark")
	d.Location = p.location()
	return d
}

func (p *params) namedDevice() Device {
	name := strings.TrimSpace(p.query.Get("device_name"))
	if name == "" {
		return Device{}
	}
	for known, d := range devices {
		if sameDevice(name, known) {
			return d
		}
	}
	p.refuse("device_name", "must be one of "+strings.Join(slices.Sorted(maps.Keys(devices)), ", "))
	return Device{}
}

// sameDevice reports whether two device names are equal. For example, iphone_14,
// iPhone-14 and Apple iPhone 14 are equal.
func sameDevice(given, known string) bool {
	letters := func(name string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, strings.ToLower(name))
	}
	plain := letters(given)
	for _, maker := range []string{"apple", "google", "samsung"} {
		plain = strings.TrimPrefix(plain, maker)
	}
	return plain == letters(known)
}

// location reads the location that the browser reports to the page.
func (p *params) location() *Location {
	at := Location{
		Latitude:  p.number("geo_latitude", -90, 90, 0),
		Longitude: p.number("geo_longitude", -180, 180, 0),
	}
	if !p.flag("geo_enable") {
		return nil
	}
	for _, name := range []string{"geo_latitude", "geo_longitude"} {
		if p.query.Get(name) == "" {
			p.refuse(name, "is required with geo_enable")
		}
	}
	return &at
}
