package sandbox

import (
	"net/url"
	"slices"
	"strings"
)

// Treatment is what the sandbox does with a parameter of a create.
type Treatment string

// The treatments. A name that is not in the table is Ignored as well: accepted,
// without effect, and listed in the ledger.
const (
	Rendered Treatment = "rendered" // it shows in the picture or in another output
	Recorded Treatment = "recorded" // it shows in answers, filters, webhooks or the ledger
	Ignored  Treatment = "ignored"  // accepted without effect
	Refused  Treatment = "refused"  // answered 422, because to ignore it would be wrong
)

// Option is a parameter of /screenshot/create, by the names that the vendor's
// SDKs know.
type Option struct {
	Name      string
	Treatment Treatment
	Note      string // what it means here; units
}

// options is the one table of what a create may ask for.
var options = []Option{
	{"url", Rendered, "http or https; required"},
	{"size", Rendered, "screen (default) or page"},
	{"full_page", Rendered, "older name: true is size=page"},
	{"width", Rendered, "px of the finished picture; the other side follows, both cut"},
	{"height", Rendered, "px of the finished picture"},
	{"format", Rendered, "png (default), jpeg, jpg, webp or webmp"},
	{"quality", Rendered, "1 to 100, for jpeg and webp"},
	{"max_height", Rendered, "CSS px of a full page"},
	{"target", Rendered, "CSS selector: a picture of that element alone"},
	{"screen_width", Rendered, "CSS px of the viewport, 1280 unless given"},
	{"screen_height", Rendered, "CSS px of the viewport, 800 unless given"},
	{"device_name", Rendered, "a known device, in any case and with any separators; the other device_ and screen_ parameters go before it"},
	{"device_scale", Rendered, "device px for each CSS px, 0.5 to 4"},
	{"device_mobile", Rendered, "mobile viewport rules"},
	{"device_touch", Rendered, "a touch screen"},
	{"device_landscape", Rendered, "the longer side lies"},
	{"user_agent", Rendered, "what requests and scripts read of the browser"},
	{"language", Rendered, "such as fr or fr-FR"},
	{"lang", Rendered, "older name of language"},
	{"timezone", Rendered, "IANA name such as Europe/Paris"},
	{"tz", Rendered, "older name of timezone"},
	{"dark", Rendered, "prefers-color-scheme: dark"},
	{"geo_enable", Rendered, "tell the page geo_latitude and geo_longitude"},
	{"geo_latitude", Rendered, "degrees, -90 to 90"},
	{"geo_longitude", Rendered, "degrees, -180 to 180"},
	{"geo_overrides", Ignored, "what its object holds is not documented; use the three above"},
	{"header", Rendered, "Name: value, repeatable or one a line; to the page's own host only"},
	{"cookie", Rendered, "a=1; b=2, cookies of the page's host"},
	{"referer", Rendered, "of the page itself"},
	{"post_data", Rendered, "the page is asked for by POST with this form"},
	{"strict_ssl", Rendered, "a bad certificate fails the screenshot"},
	{"delay", Rendered, "seconds after the page has loaded, at most 60"},
	{"max_wait", Rendered, "seconds until a page that goes on loading is drawn as it is, at most 60"},
	{"hide_popups", Rendered, "hides consent banners, dialogs and overlays as well as it can tell them"},
	{"script_inline", Rendered, "JavaScript run in the page before the picture"},
	{"steps", Rendered, "JSON list of click, fill, type, wait, sleep, scroll and screenshot"},
	{"shots", Rendered, "how many pictures, at most 20"},
	{"shot_interval", Rendered, "milliseconds between two of them, unless the sandbox was given another unit; at most a minute"},
	{"html", Rendered, "keep the page's HTML"},
	{"pdf", Rendered, "print the page"},
	{"pdf_format", Rendered, "A3, A4 (default), A5, Legal, Letter or Tabloid"},
	{"pdf_landscape", Rendered, "the sheet lies"},
	{"pdf_background", Rendered, "print backgrounds"},
	{"pdf_one_page", Rendered, "one sheet as tall as the page"},
	{"pdf_margin", Rendered, "centimetres on every side"},
	{"pdf_margin_top", Rendered, "centimetres"},
	{"pdf_margin_right", Rendered, "centimetres"},
	{"pdf_margin_bottom", Rendered, "centimetres"},
	{"pdf_margin_left", Rendered, "centimetres"},
	{"tag", Recorded, "repeatable; filters of list, storage path templates"},
	{"apps", Recorded, "ids of the apps to notify, or a JSON object from id to storage path template"},
	{"country", Recorded, "two letters, an unknown one is refused; every page is opened from this machine"},
	{"region", Recorded, "likewise"},
	{"video", Recorded, "no video is made: has_video stays false"},
	{"video_format", Ignored, "no video is made"},
	{"video_quality", Ignored, "no video is made"},
	{"video_speed", Ignored, "no video is made"},
	{"video_duration", Ignored, "no video is made"},
	{"video_length", Ignored, "older name of video_duration"},
	{"hide_ads", Ignored, "there is no list of advertisers"},
	{"tracker", Ignored, "trackers are not reported"},
	{"trackers", Ignored, "trackers are not reported"},
	{"cache", Ignored, "every page is fetched anew"},
	{"priority", Ignored, "screenshots are made in the order of their creates"},
	{"script", Refused, "a stored script of the account; use script_inline"},
}

// heeded copies what is given of options that are not ignored. A part of a query
// or a body, kept with a screenshot, would keep all of it in memory.
func heeded(given url.Values) url.Values {
	own := make(url.Values)
	for _, o := range options {
		for _, value := range given[o.Name] {
			if o.Treatment != Ignored {
				own.Add(o.Name, strings.Clone(value))
			}
		}
	}
	return own
}

// Options lists what a create may ask for, in the order of the table.
func Options() []Option { return slices.Clone(options) }

// withoutEffect returns which of the names given do nothing here: not all if
// they are many, and only their beginnings if they are long. The key is not an
// option: it belongs to every call.
func withoutEffect(names []string) []string {
	var idle []string
	for _, name := range names {
		if name == "key" {
			continue
		}
		i := slices.IndexFunc(options, func(o Option) bool { return o.Name == name })
		if i < 0 || options[i].Treatment == Ignored {
			idle = append(idle, strings.Clone(name[:min(len(name), maxWord)]))
		}
	}
	slices.Sort(idle)
	return slices.Clone(idle[:min(len(idle), maxIgnored)]) // without the rest
}
