package sandbox

import (
	"net/url"
	"slices"
	"strings"

	"shotline/client/parameter"
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

// Option is a parameter of /screenshot/create, and how the sandbox handles it.
type Option struct {
	Name      string
	Treatment Treatment
	Note      string // meaning and unit, and what is special in the sandbox
}

// treatments is how the sandbox handles each parameter of the table, in the order
// of the sandbox's docs. A note says what is special in the sandbox.
var treatments = []Option{
	{"url", Rendered, ""},
	{"size", Rendered, "screen is the default"},
	{"full_page", Rendered, ""},
	{"width", Rendered, "with one of width and height the other follows, with both the image is cropped"},
	{"height", Rendered, ""},
	{"format", Rendered, "png is the default"},
	{"quality", Rendered, ""},
	{"max_height", Rendered, ""},
	{"target", Rendered, ""},
	{"screen_width", Rendered, "default 1280"},
	{"screen_height", Rendered, "default 800"},
	{"device_name", Rendered, "one of the known devices; the other device_ and screen_ parameters take precedence"},
	{"device_scale", Rendered, "0.5 to 4"},
	{"device_mobile", Rendered, ""},
	{"device_touch", Rendered, ""},
	{"device_landscape", Rendered, ""},
	{"user_agent", Rendered, ""},
	{"language", Rendered, ""},
	{"lang", Rendered, ""},
	{"timezone", Rendered, ""},
	{"tz", Rendered, ""},
	{"dark", Rendered, ""},
	{"geo_enable", Rendered, ""},
	{"geo_latitude", Rendered, ""},
	{"geo_longitude", Rendered, ""},
	{"geo_overrides", Ignored, "use the three above"},
	{"header", Rendered, "repeatable; only sent to the host of the page; no JSON"},
	{"cookie", Rendered, "cookies of the page's host; no JSON"},
	{"referer", Rendered, "only for the page"},
	{"post_data", Rendered, ""},
	{"strict_ssl", Rendered, ""},
	{"delay", Rendered, "at most 60"},
	{"max_wait", Rendered, "at most 60"},
	{"hide_popups", Rendered, ""},
	{"script_inline", Rendered, ""},
	{"steps", Rendered, "click, fill, type, wait, sleep, scroll and screenshot"},
	{"shots", Rendered, "at most 20"},
	{"shot_interval", Rendered, "milliseconds, unless the sandbox is configured with another unit; at most a minute"},
	{"html", Rendered, ""},
	{"pdf", Rendered, ""},
	{"pdf_format", Rendered, "A4 is the default"},
	{"pdf_landscape", Rendered, ""},
	{"pdf_background", Rendered, ""},
	{"pdf_one_page", Rendered, ""},
	{"pdf_margin", Rendered, ""},
	{"pdf_margin_top", Rendered, ""},
	{"pdf_margin_right", Rendered, ""},
	{"pdf_margin_bottom", Rendered, ""},
	{"pdf_margin_left", Rendered, ""},
	{"tag", Recorded, "repeatable; filters of list, storage path templates"},
	{"apps", Recorded, ""},
	{"country", Recorded, "an unknown country is refused; every page is opened from this machine"},
	{"region", Recorded, "every page is opened from this machine"},
	{"video", Recorded, "no video is made; has_video stays false"},
	{"video_format", Ignored, "no video is made"},
	{"video_quality", Ignored, "no video is made"},
	{"video_speed", Ignored, "no video is made"},
	{"video_duration", Ignored, "no video is made"},
	{"video_length", Ignored, "no video is made"},
	{"hide_ads", Ignored, "there is no list of advertisers"},
	{"tracker", Ignored, "trackers are not reported"},
	{"trackers", Ignored, "trackers are not reported"},
	{"cache", Ignored, "every page is fetched again"},
	{"priority", Ignored, "screenshots are rendered in the order of their creates"},
	{"script", Refused, "use script_inline"},
}

// Options returns all parameters of a create.
func Options() []Option {
	options := slices.Clone(treatments)
	for i, o := range options {
		p, _ := parameter.Lookup(o.Name)
		notes := []string{p.Note}
		if p.Newer != "" {
			notes = append(notes, "older name of "+p.Newer)
		}
		if p.Values != nil {
			notes = append(notes, strings.Join(p.Values, ", "))
		}
		if o.Note != "" {
			notes = append(notes, o.Note)
		}
		options[i].Note = strings.Join(notes, "; ")
	}
	return options
}

// effectiveOptions returns the given options that are not ignored. It copies the
// values: a screenshot that kept a substring of a query or body would keep all of
// it in memory.
func effectiveOptions(given url.Values) url.Values {
	own := make(url.Values)
	for _, o := range treatments {
		for _, value := range given[o.Name] {
			if o.Treatment != Ignored {
				own.Add(o.Name, strings.Clone(value))
			}
		}
	}
	return own
}

// ignoredNames returns the given names that have no effect. It returns at most
// maxIgnored names and truncates long ones. The key is not an option, because
// every call has one.
func ignoredNames(names []string) []string {
	var ignored []string
	for _, name := range names {
		if name == "key" {
			continue
		}
		i := slices.IndexFunc(treatments, func(o Option) bool { return o.Name == name })
		if i < 0 || treatments[i].Treatment == Ignored {
			ignored = append(ignored, strings.Clone(name[:min(len(name), maxWord)]))
		}
	}
	slices.Sort(ignored)
	return slices.Clone(ignored[:min(len(ignored), maxIgnored)]) // release the rest of the array
}
