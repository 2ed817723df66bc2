package csvfile

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind is how the text of a cell becomes the value of a parameter.
type kind int

const (
	plain      kind = iota // text, as it stands
	boolean                // true or false
	number                 // any number
	whole                  // 0, 1, 2 …
	structured             // JSON when it begins like it, else text
	open                   // like structured, but text when it is no JSON
)

// documented are the create parameters that the vendor's SDKs know, the older
// names included. Where no source says what a parameter takes, it is plain.
var documented = map[string]kind{
	"size": plain, "format": plain, "width": whole, "height": whole,
	"html": boolean, "pdf": boolean, "video": boolean,
	"country": plain, "language": plain, "lang": plain, "timezone": plain, "tz": plain,
	"geo_enable": boolean, "geo_latitude": number, "geo_longitude": number,
	"screen_width": whole, "screen_height": whole,
	"device_name": plain, "device_scale": number, "device_mobile": boolean,
	"device_touch": boolean, "device_landscape": boolean,
	"header": structured, "referer": plain, "cookie": structured, "post_data": plain, "user_agent": plain,
	"delay": number, "max_wait": number, "script": plain, "script_inline": plain,
	"steps": structured, "tracker": structured, "trackers": structured,
	"shots": whole, "shot_interval": number, "cache": plain, "max_height": whole,
	"target": plain, "strict_ssl": boolean, "hide_popups": boolean, "hide_ads": boolean,
	"dark": boolean, "priority": plain,
	"pdf_background": boolean, "pdf_one_page": boolean, "pdf_landscape": boolean,
	"pdf_format": plain, "pdf_margin": plain, "pdf_margin_top": plain, "pdf_margin_bottom": plain,
	"pdf_margin_left": plain, "pdf_margin_right": plain,
	"video_format": plain, "video_quality": plain, "video_speed": number, "video_duration": number,
}

// SecretParams are create parameters whose values log in to pages. No message
// repeats them.
var SecretParams = []string{"cookie", "header", "post_data"}

// told is how a message names a wrong value of a parameter, shown in part.
func told(name, shown string) string {
	if slices.Contains(SecretParams, name) {
		return "the value"
	}
	return shown
}

// reserved are parameters that a row must not set, and why.
var reserved = map[string]string{
	"key":  "the API key does not belong in a file",
	"apps": "the apps to notify are set for the whole batch, by --app-id",
}

// value makes a cell the value of a parameter.
func (k kind) value(name, cell string) (any, error) {
	trimmed := strings.TrimSpace(cell)
	switch k {
	case boolean:
		switch strings.ToLower(trimmed) {
		case "true", "yes", "1":
			return true, nil
		case "false", "no", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%s: %q is not true or false", name, excerpt(cell))
	case number, whole:
		// ParseFloat also takes hexadecimal numbers, Inf and NaN.
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || strings.Trim(trimmed, "+-.0123456789eE") != "" {
			return nil, fmt.Errorf("%s: %q is not a number", name, excerpt(cell))
		}
		if k == whole && (f < 0 || f != math.Trunc(f)) {
			return nil, fmt.Errorf("%s: %q is not a whole number", name, excerpt(cell))
		}
		return f, nil
	case structured, open:
		if !strings.HasPrefix(trimmed, "[") && !strings.HasPrefix(trimmed, "{") {
			return cell, nil
		}
		if err := CheckJSON([]byte(trimmed)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var v any
		if err := json.Unmarshal([]byte(trimmed), &v); err != nil {
			if k == open {
				return cell, nil
			}
			return nil, fmt.Errorf("%s: %s is not valid JSON", name, told(name, strconv.Quote(excerpt(cell))))
		}
		return v, nil
	}
	return cell, nil
}
