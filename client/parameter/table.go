package parameter

import (
	"slices"
	"strings"
)

// Parameter is one create parameter.
type Parameter struct {
	Name   string
	Kind   Kind
	Newer  string   // for an older name: the present form, such as size=page
	Values []string // values that are known to be accepted; nil if any can be
	// Min and Max are the range in which a number makes sense. Both are 0 if there is
	// no range. They limit only what is plausible, because the vendor documents no
	// limits.
	Min, Max float64
	Note     string // meaning and unit
	Source   Source // where Note and Values come from
	Secret   bool   // the value might contain credentials: messages must not contain it
	Reserved string // why rows and callers cannot set it; empty if they can

	plausible func(text string) bool // replaces the checks by Kind, Values, Min and Max
}

// Source is where the facts about a parameter come from.
type Source string

// The sources.
const (
	Documented Source = "documented" // the vendor's pages or SDKs state it
	Named      Source = "named"      // the vendor's SDKs name it; unit and values are an assumption
	Disputed   Source = "disputed"   // the vendor's sources contradict each other
)

// table lists all known parameters. Its order is the one in which docs list them.
var table = []Parameter{
	{Name: "url", Note: "the page, http or https; required", Source: Documented, Reserved: "url cannot be set as a parameter"},

	{Name: "size", Values: []string{"screen", "page"}, Note: "the visible screen or the full page", Source: Documented},
	{Name: "full_page", Kind: Boolean, Newer: "size=page", Note: "true for the full page", Source: Documented},
	{Name: "width", Kind: Whole, Min: 100, Max: 10_000, Note: "px of the finished image", Source: Named},
	{Name: "height", Kind: Whole, Min: 100, Max: 20_000, Note: "px of the finished image", Source: Named},
	{Name: "format", Values: []string{"png", "jpeg", "jpg", "webp", "webmp"}, Note: "file format of the image; webmp is an older name of webp", Source: Documented},
	{Name: "quality", Kind: Whole, Min: 1, Max: 100, Note: "1 to 100, for jpeg and webp", Source: Named},
	{Name: "max_height", Kind: Whole, Min: 100, Max: 100_000, Note: "CSS px of a full page", Source: Named},
	{Name: "target", Note: "CSS selector: the image shows only that element", Source: Named, plausible: isSelector},

	{Name: "screen_width", Kind: Whole, Min: 100, Max: 10_000, Note: "CSS px of the viewport", Source: Named},
	{Name: "screen_height", Kind: Whole, Min: 100, Max: 20_000, Note: "CSS px of the viewport", Source: Named},
	{Name: "device_name", Note: "a device such as iphone_14, in any case and with any separators", Source: Documented, plausible: isDeviceName},
	{Name: "device_scale", Kind: Number, Min: 0.1, Max: 10, Note: "device px per CSS px", Source: Named},
	{Name: "device_mobile", Kind: Boolean, Note: "mobile viewport rules", Source: Named},
	{Name: "device_touch", Kind: Boolean, Note: "a touch screen", Source: Named},
	{Name: "device_landscape", Kind: Boolean, Note: "landscape orientation", Source: Named},
	{Name: "user_agent", Note: "user agent in requests and scripts", Source: Named, plausible: isUserAgent},
	{Name: "language", Note: "language such as fr or fr-FR", Source: Named, plausible: isLanguage},
	{Name: "lang", Newer: "language", Note: "language such as fr or fr-FR", Source: Documented, plausible: isLanguage},
	{Name: "timezone", Note: "IANA time zone such as Europe/Paris", Source: Named, plausible: isTimezone},
	{Name: "tz", Newer: "timezone", Note: "IANA time zone such as Europe/Paris", Source: Documented, plausible: isTimezone},
	{Name: "dark", Kind: Boolean, Note: "prefers-color-scheme: dark", Source: Named},
	{Name: "geo_enable", Kind: Boolean, Note: "report geo_latitude and geo_longitude to the page", Source: Named},
	{Name: "geo_latitude", Kind: Number, Min: -90, Max: 90, Note: "degrees, -90 to 90", Source: Named},
	{Name: "geo_longitude", Kind: Number, Min: -180, Max: 180, Note: "degrees, -180 to 180", Source: Named},
	{Name: "geo_overrides", Kind: JSON, Note: "an object; its format is not documented", Source: Named, plausible: isStructured},
	{Name: "country", Note: "two-letter code of the country from which the page is opened", Source: Documented, plausible: IsCountry},
	{Name: "region", Note: "part of the country from which the page is opened", Source: Named, plausible: isRegion},

	{Name: "header", Kind: JSON, Note: "HTTP headers, Name: value, one per line, or a JSON object", Source: Named, Secret: true, plausible: isHeader},
	{Name: "cookie", Kind: JSON, Note: "cookies such as a=1; b=2", Source: Named, Secret: true, plausible: isCookie},
	{Name: "referer", Note: "URL of the referring page", Source: Named, plausible: isWebAddress},
	{Name: "post_data", Note: "form data: the page is requested by POST", Source: Named, Secret: true, plausible: isPostData},
	{Name: "strict_ssl", Kind: Boolean, Note: "an invalid certificate fails the screenshot", Source: Named},

	{Name: "delay", Kind: Number, Min: 0, Max: 300, Note: "seconds to wait after the page has loaded", Source: Named},
	{Name: "max_wait", Kind: Number, Min: 0, Max: 300, Note: "seconds after which a page that is still loading is captured as it is", Source: Named},
	{Name: "hide_popups", Kind: Boolean, Note: "tries to hide consent banners, dialogs and overlays", Source: Named},
	{Name: "hide_ads", Kind: Boolean, Note: "tries to hide advertisements", Source: Named},
	{Name: "script", Note: "a script that is stored in the account", Source: Named, plausible: isScript},
	{Name: "script_inline", Note: "JavaScript that runs in the page before the image", Source: Named},
	{Name: "steps", Kind: JSON, Note: "JSON list of steps such as click, type, wait and scroll", Source: Documented, plausible: isStructured},
	{Name: "shots", Kind: Whole, Min: 1, Max: 100, Note: "number of images", Source: Named},
	{Name: "shot_interval", Kind: Number, Min: 0, Max: 60_000, Note: "time between two images, in milliseconds or in seconds", Source: Disputed},
	{Name: "tracker", Kind: JSON, Note: "report trackers; its values are not documented", Source: Named, plausible: isSwitch},
	{Name: "trackers", Kind: JSON, Note: "report trackers; its values are not documented", Source: Named, plausible: isSwitch},
	{Name: "cache", Note: "use of cached screenshots; its values are not documented", Source: Named, plausible: isCache},
	{Name: "priority", Note: "priority at the vendor; its values are not documented", Source: Named, plausible: isPriority},

	{Name: "html", Kind: Boolean, Note: "also store the page's HTML", Source: Named},
	{Name: "pdf", Kind: Boolean, Note: "also store the page as PDF", Source: Named},
	{Name: "pdf_format", Values: []string{"A3", "A4", "A5", "Legal", "Letter", "Tabloid"}, Note: "paper such as A4 or Letter", Source: Named, plausible: isPaper},
	{Name: "pdf_landscape", Kind: Boolean, Note: "landscape orientation", Source: Named},
	{Name: "pdf_background", Kind: Boolean, Note: "print backgrounds", Source: Named},
	{Name: "pdf_one_page", Kind: Boolean, Note: "one sheet as high as the page", Source: Named},
	{Name: "pdf_margin", Note: "centimeters on every side", Source: Named, plausible: isLength},
	{Name: "pdf_margin_top", Note: "centimeters", Source: Named, plausible: isLength},
	{Name: "pdf_margin_right", Note: "centimeters", Source: Named, plausible: isLength},
	{Name: "pdf_margin_bottom", Note: "centimeters", Source: Named, plausible: isLength},
	{Name: "pdf_margin_left", Note: "centimeters", Source: Named, plausible: isLength},
	{Name: "video", Kind: Boolean, Note: "also record a video", Source: Named},
	{Name: "video_format", Note: "file format of the video, such as mp4", Source: Named, plausible: isWord},
	{Name: "video_quality", Note: "quality of the video; its values are not documented", Source: Named, plausible: isWord},
	{Name: "video_speed", Kind: Number, Min: 0, Max: 100, Note: "speed of the video, as a factor", Source: Named},
	{Name: "video_duration", Kind: Number, Min: 0, Max: 3600, Note: "seconds", Source: Named},
	{Name: "video_length", Kind: Number, Newer: "video_duration", Min: 0, Max: 3600, Note: "seconds", Source: Documented},

	{Name: "tag", Note: "the screenshot's tags, one or many", Source: Documented, Reserved: "tag cannot be set as a parameter"},
	{Name: "apps", Note: "ids of the apps to notify, or a JSON object from id to storage path template", Source: Documented, Reserved: "the apps to notify are set for the whole batch, by --app-id"},
}

// reserved are the names that cannot be set although they are not in the table,
// with the reason.
var reserved = map[string]string{
	"key":  "the API key does not belong in a file",
	"tags": "tags cannot be set as a parameter",
}

// byName is the index of each name in the table.
var byName = func() map[string]int {
	index := make(map[string]int, len(table))
	for i, p := range table {
		index[p.Name] = i
	}
	return index
}()

// All returns all known parameters, the reserved ones included.
func All() []Parameter { return slices.Clone(table) }

// Lookup returns the parameter with this name, which can be an older one. Case
// and surrounding spaces do not matter.
func Lookup(name string) (Parameter, bool) {
	i, found := byName[fold(name)]
	if !found {
		return Parameter{}, false
	}
	return table[i], true
}

// Reserved returns why nobody can set this name as a parameter. It is empty if
// the name can be set.
func Reserved(name string) string {
	if p, found := Lookup(name); found {
		return p.Reserved
	}
	return reserved[fold(name)]
}

// IsSecret reports whether the values of this parameter might contain
// credentials.
func IsSecret(name string) bool {
	p, found := Lookup(name)
	return found && p.Secret
}

func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
