package csvfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind defines how the text of a cell is converted to the value of a parameter.
type kind int

const (
	plain      kind = iota // text, unchanged
	boolean                // true or false
	number                 // any number
	whole                  // 0, 1, 2 …
	structured             // JSON if it begins like JSON, otherwise text
	untyped                // like structured, but text if it is not valid JSON
)

// documented are the create parameters that the vendor's SDKs support, including
// older names. If no source documents the values of a parameter, it is plain.
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

// SecretParams are create parameters whose values might contain credentials for
// pages. Messages must not contain these values.
var SecretParams = []string{"cookie", "header", "post_data"}

// redact returns how a message refers to an invalid value of a parameter: the
// text shown, or a placeholder if the parameter is secret.
func redact(name, shown string) string {
	if slices.Contains(SecretParams, name) {
		return "the value"
	}
	return shown
}

// reserved are the parameters that a row must not set, with the reason.
var reserved = map[string]string{
	"key":  "the API key does not belong in a file",
	"apps": "the apps to notify are set for the whole batch, by --app-id",
}

// ParseParam converts the text of a parameter to the type that a column of the
// same name would have. It is for parameters that do not come from a file.
func ParseParam(name, text string) (any, error) {
	lower := strings.ToLower(name)
	if reason, found := reserved[lower]; found {
		return nil, errors.New(reason)
	}
	if lower == "url" || lower == "tag" {
		return nil, fmt.Errorf("%s cannot be set as a parameter", lower)
	}
	k, known := documented[lower]
	if !known {
		k = untyped
	}
	return k.value(name, text)
}

// value converts a cell to the value of a parameter.
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
		// ParseFloat also accepts hexadecimal numbers, Inf and NaN.
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || strings.Trim(trimmed, "+-.0123456789eE") != "" {
			return nil, fmt.Errorf("%s: %q is not a number", name, excerpt(cell))
		}
		if k == whole && (f < 0 || f != math.Trunc(f)) {
			return nil, fmt.Errorf("%s: %q is not a whole number", name, excerpt(cell))
		}
		return f, nil
	case structured, untyped:
		if !strings.HasPrefix(trimmed, "[") && !strings.HasPrefix(trimmed, "{") {
			return cell, nil
		}
		if err := CheckJSON([]byte(trimmed)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var v any
		if err := json.Unmarshal([]byte(trimmed), &v); err != nil {
			if k == untyped {
				return cell, nil
			}
			return nil, fmt.Errorf("%s: %s is not valid JSON", name, redact(name, strconv.Quote(excerpt(cell))))
		}
		return v, nil
	}
	return cell, nil
}
