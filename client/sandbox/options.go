package sandbox

import (
	"net/url"
	"slices"
	"strings"
)

// Treatment is how the sandbox handles a parameter of a create.
type Treatment string

// The treatments. Unknown parameters are treated as Ignored.
const (
	Rendered Treatment = "rendered" // affects the image or another output
	Recorded Treatment = "recorded" // appears in responses, filters, webhooks or the ledger
	Ignored  Treatment = "ignored"  // accepted without effect, and listed in the ledger
	Refused  Treatment = "refused"  // refused with 422, because the result would be wrong without it
)

// Option is a parameter of /screenshot/create, named as in the vendor's SDKs.
type Option struct {
	Name      string
	Treatment Treatment
	Note      string // meaning and unit
}

// options is the table of all parameters of a create.
var options = []Option{
	{"url", Rendered, "http or https; required"},
	{"size", Rendered, "screen (default) or page"},
	{"full_page", Rendered, "older name: true is size=page"},
	{"width", Rendered, "px of the finished image; with one of width and height the other follows, with both the image is cropped"},
	{"height", Rendered, "px of the finished image"},
	{"format", Rendered, "png (default), jpeg, jpg, webp or webmp"},
	{"quality", Rendered, "1 to 100, for jpeg and webp"},
	{"max_height", Rendered, "CSS px of a full page"},
	{"target", Rendered, "CSS selector: the image shows only that element"},
	{"screen_width", Rendered, "CSS px of the viewport, default 1280"},
	{"screen_height", Rendered, "CSS px of the viewport, default 800"},
	{"device_name", Rendered, "a known device, in any case and with any separators; the other device_ and screen_ parameters take precedence"},
	{"device_scale", Rendered, "device px per CSS px, 0.5 to 4"},
	{"device_mobile", Rendered, "mobile viewport rules"},
	{"device_touch", Rendered, "a touch screen"},
	{"device_landscape", Rendered, "landscape orientation"},
	{"user_agent", Rendered, "user agent in requests and scripts"},
	{"language", Rendered, "such as fr or fr-FR"},
	{"lang", Rendered, "older name of language"},
	{"timezone", Rendered, "IANA name such as Europe/Paris"},
	{"tz", Rendered, "older name of timezone"},
	{"dark", Rendered, "prefers-color-scheme: dark"},
	{"geo_enable", Rendered, "report geo_latitude and geo_longitude to the page"},
	{"geo_latitude", Rendered, "degrees, -90 to 90"},
	{"geo_longitude", Rendered, "degrees, -180 to 180"},
	{"geo_overrides", Ignored, "its format is not documented; use the three above"},
	{"header", Rendered, "Name: value, repeatable or one per line; only sent to the host of the page"},
	{"cookie", Rendered, "a=1; b=2, cookies of the page's host"},
	{"referer", Rendered, "only for the page"},
	{"post_data", Rendered, "the page is requested by POST with this form"},
	{"strict_ssl", Rendered, "an invalid certificate fails the screenshot"},
	{"delay", Rendered, "seconds after the page has loaded, at most 60"},
	{"max_wait", Rendered, "seconds after which a page that is still loading is captured as it is, at most 60"},
	{"hide_popups", Rendered, "tries to hide consent banners, dialogs and overlays"},
	{"script_inline", Rendered, "JavaScript that runs in the page before the image"},
	{"steps", Rendered, "JSON list of click, fill, type, wait, sleep, scroll and screenshot"},
	{"shots", Rendered, "number of images, at most 20"},
	{"shot_interval", Rendered, "milliseconds between two images, unless the sandbox is configured with another unit; at most a minute"},
	{"html", Rendered, "also store the page's HTML"},
	{"pdf", Rendered, "also store the page as PDF"},
	{"pdf_format", Rendered, "A3, A4 (default), A5, Legal, Letter or Tabloid"},
	{"pdf_landscape", Rendered, "landscape orientation"},
	{"pdf_background", Rendered, "print backgrounds"},
	{"pdf_one_page", Rendered, "one sheet as high as the page"},
	{"pdf_margin", Rendered, "centimeters on every side"},
	{"pdf_margin_top", Rendered, "centimeters"},
	{"pdf_margin_right", Rendered, "centimeters"},
	{"pdf_margin_bottom", Rendered, "centimeters"},
	{"pdf_margin_left", Rendered, "centimeters"},
	{"tag", Recorded, "repeatable; filters of list, storage path templates"},
	{"apps", Recorded, "ids of the apps to notify, or a JSON object from id to storage path template"},
	{"country", Recorded, "two letters; an unknown country is refused; every page is opened from this machine"},
	{"region", Recorded, "every page is opened from this machine"},
	{"video", Recorded, "no video is made; has_video stays false"},
	{"video_format", Ignored, "no video is made"},
	{"video_quality", Ignored, "no video is made"},
	{"video_speed", Ignored, "no video is made"},
	{"video_duration", Ignored, "no video is made"},
	{"video_length", Ignored, "older name of video_duration"},
	{"hide_ads", Ignored, "there is no list of advertisers"},
	{"tracker", Ignored, "trackers are not reported"},
	{"trackers", Ignored, "trackers are not reported"},
	{"cache", Ignored, "every page is fetched again"},
	{"priority", Ignored, "screenshots are rendered in the order of their creates"},
	{"script", Refused, "a script stored in the account; use script_inline"},
}

// effectiveOptions returns the given options that are not ignored. It copies the
// values: a screenshot that kept a substring of a query or body would keep all of
// it in memory.
func effectiveOptions(given url.Values) url.Values {
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

// Options returns all parameters of a create, in the order of the table.
func Options() []Option { return slices.Clone(options) }

// ignoredNames returns the given names that have no effect. It returns at most
// maxIgnored names and truncates long ones. The key is not an option, because
// every call has one.
func ignoredNames(names []string) []string {
	var ignored []string
	for _, name := range names {
		if name == "key" {
			continue
		}
		i := slices.IndexFunc(options, func(o Option) bool { return o.Name == name })
		if i < 0 || options[i].Treatment == Ignored {
			ignored = append(ignored, strings.Clone(name[:min(len(name), maxWord)]))
		}
	}
	slices.Sort(ignored)
	return slices.Clone(ignored[:min(len(ignored), maxIgnored)]) // release the rest of the array
}
