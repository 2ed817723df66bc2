package parameter_test

import (
	"slices"
	"strings"
	"testing"

	"shotline/client/parameter"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range parameter.All() {
		if p.Name != strings.ToLower(p.Name) || seen[p.Name] {
			t.Errorf("%s is not in lower case, or listed twice", p.Name)
		}
		seen[p.Name] = true
		if p.Note == "" || p.Source == "" {
			t.Errorf("%s has no note or no source", p.Name)
		}
		if newer, _, _ := strings.Cut(p.Newer, "="); newer != "" {
			if now, found := parameter.Lookup(newer); !found || now.Newer != "" {
				t.Errorf("%s is an older name of %s, which is not in the table", p.Name, newer)
			}
		}
		for _, value := range p.Values {
			if !p.Plausible(value) {
				t.Errorf("%s: its own value %q is not plausible", p.Name, value)
			}
		}
		if found, ok := parameter.Lookup(" " + strings.ToUpper(p.Name)); !ok || found.Name != p.Name {
			t.Errorf("%s is not found in upper case", p.Name)
		}
	}
	for _, name := range []string{"key", "KEY", "apps", "url", "tag", "tags"} {
		if parameter.Reserved(name) == "" {
			t.Errorf("%s is not reserved", name)
		}
	}
	if parameter.Reserved("width") != "" || parameter.Reserved("other") != "" {
		t.Error("width or other is reserved")
	}
	for _, name := range []string{"cookie", "Header", "post_data"} {
		if !parameter.IsSecret(name) {
			t.Errorf("%s is not secret", name)
		}
	}
	if parameter.IsSecret("width") || parameter.IsSecret("cookies") {
		t.Error("width or cookies is secret")
	}
}

func TestPlausible(t *testing.T) {
	for name, want := range map[string]struct{ yes, no []string }{
		"size":          {[]string{"screen", "page"}, []string{"XL", "Page", "42", "10x20", "page "}},
		"full_page":     {[]string{"true", "FALSE", "yes", "1", "0"}, []string{"maybe", "2"}},
		"width":         {[]string{"800", " 1280 ", "100"}, []string{"8.5", "60 cm", "30", "0", "-800", "1e3", "99999", "wide", "800px", "800.0", "0x320"}},
		"format":        {[]string{"png", "jpg", "webmp"}, []string{"PDF", "PNG", "A4", "hardcover"}},
		"quality":       {[]string{"1", "100"}, []string{"0", "101", "high", "4.5"}},
		"target":        {[]string{"#main", ".a > b", "main", "div.box", "[role=main]"}, []string{"18-35", "https://a.test", "Women", "#1 seller", "# 5"}},
		"device_name":   {[]string{"iphone_14", "Galaxy S23"}, []string{"14", strings.Repeat("a", 70)}},
		"device_scale":  {[]string{"2", "1.5"}, []string{"100", "x"}},
		"user_agent":    {[]string{"Mozilla/5.0 (X11)", "curl/8.1"}, []string{"Jane Doe", "https://a.test/"}},
		"language":      {[]string{"fr", "fr-FR", "zh-Hant-TW", "fil-PH", "es-419"}, []string{"es, en", "unknown", "French", "EN", "n/a", "fr_FR"}},
		"lang":          {[]string{"de"}, []string{"German"}},
		"timezone":      {[]string{"Europe/Paris", "UTC", "America/Argentina/Salta"}, []string{"CET", "+02:00", "Paris", "n/a"}},
		"dark":          {[]string{"true", "No"}, []string{"dark", "x"}},
		"geo_latitude":  {[]string{"-90", "48.85"}, []string{"91", "48° 51'"}},
		"geo_longitude": {[]string{"180"}, []string{"-181"}},
		"geo_overrides": {[]string{`{"a":1}`}, []string{"a", "{"}},
		"country":       {[]string{"us", "FR", "uk"}, []string{"France", "USA", "xx", "u", "us, fr"}},
		"region":        {[]string{"bavaria", "us-east-1"}, []string{"North America", "EMEA", "7"}},
		"header":        {[]string{"X-A: 1", "X-A: 1\nX-B: 2", `{"X-A":"1"}`}, []string{"Welcome to the shop", "Summer sale: 20 %"}},
		"cookie":        {[]string{"a=1", "a=1; b=x=y;", `[{"name":"a"}]`}, []string{"yes", "chocolate chip", "hunter2"}},
		"referer":       {[]string{"https://a.test/x"}, []string{"-", "google", "https://a b"}},
		"post_data":     {[]string{"a=1&b=2", `{"a":1}`}, []string{"2026-01-02", "x"}},
		"delay":         {[]string{"0", "1.5"}, []string{"1,5", "2 weeks", "-1", "999", "NaN"}},
		"script":        {[]string{"12", "[1].forEach(f)", "my_script"}, []string{"Latin", "Cyrillic"}},
		"script_inline": {[]string{"x()"}, nil},
		"steps":         {[]string{`[{"command":"click"}]`}, []string{"[", "3", "wash, dry"}},
		"shots":         {[]string{"3"}, []string{"0", "1000", "3.5"}},
		"shot_interval": {[]string{"250", "0.5"}, []string{"weekly"}},
		"tracker":       {[]string{"true", `["a"]`}, []string{"Fitbit"}},
		"cache":         {[]string{"0", "true", "3600"}, []string{"HIT", "-1"}},
		"priority":      {[]string{"high"}, []string{"1", "High", "0.8", "P1"}},
		"html":          {[]string{"yes"}, []string{"<p>x</p>"}},
		"pdf_format":    {[]string{"A4", "letter", "A0"}, []string{"A9", "paperback"}},
		"pdf_margin":    {[]string{"1", "0.5", "2cm"}, []string{"20 %", "wide"}},
		"video":         {[]string{"no"}, []string{"https://a.test/v.mp4"}},
		"video_format":  {[]string{"mp4"}, []string{"MPEG video"}},
		"video_length":  {[]string{"5"}, []string{"3:20"}},
	} {
		p, found := parameter.Lookup(name)
		if !found {
			t.Errorf("%s is not in the table", name)
			continue
		}
		for _, text := range want.yes {
			if !p.Plausible(text) {
				t.Errorf("%s: %q is not plausible", name, text)
			}
		}
		for _, text := range append(slices.Clone(want.no), "\x00", "see notes\nbelow") {
			if name != "script_inline" && p.Plausible(text) {
				t.Errorf("%s: %q is plausible", name, text)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"widht": "width", "Widht": "width", "heigth": "height", "hight": "height", "languge": "language", "screen-width": "screen_width",
		"Screen Width": "screen_width", "screenwidht": "screen_width", "hide_add": "hide_ads", "referrer": "referer", "timezome": "timezone",
		"device": "", "width": "", "full_page": "", "Width": "", "siz": "", "sise": "", "tag": "", "tags": "", "key": "", "apps": "",
		"weight": "", "county": "", "title": "", "": "", "wait_for": "", "formats": "format", strings.Repeat("width", 20): "",
	} {
		if got := parameter.Nearest(name); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name  string
		value any
		known string
		want  any
	}{
		{"Width", 800.0, "width", 800.0}, {"width", "800", "width", 800.0}, {"dark", 1.0, "dark", true}, {"pdf_margin", 10.0, "pdf_margin", "10"},
		{"width", nil, "width", nil}, {"size", " ", "size", nil}, {"Other", 7.0, "Other", 7.0}, {"quality", "70", "quality", 70.0},
	} {
		known, got, err := parameter.Check(test.name, test.value)
		if err != nil || known != test.known || got != test.want {
			t.Errorf("Check(%q, %v) = %q, %v, %v; want %q, %v", test.name, test.value, known, got, err, test.known, test.want)
		}
	}
	for name, value := range map[string]any{
		"width": true, "dark": 3.0, "size": []any{"page"}, "KEY": "x", "apps": 1.0, "url": "a", "tags": "x", "": "x", " width": 1.0,
	} {
		if _, got, err := parameter.Check(name, value); err == nil || got != nil {
			t.Errorf("Check(%q, %v) = %v, want an error", name, value, got)
		}
	}
}

func TestWant(t *testing.T) {
	for name, want := range map[string]string{
		"size": "screen or page", "format": "png, jpeg, jpg, webp or webmp", "dark": "true or false", "width": "a whole number from 100 to 10000",
		"delay": "a number from 0 to 300", "device_scale": "a number from 0.1 to 10", "geo_latitude": "a number from -90 to 90", "cookie": "", "script_inline": "",
	} {
		if p, _ := parameter.Lookup(name); p.Want() != want {
			t.Errorf("%s: got %q, want %q", name, p.Want(), want)
		}
	}
}

func TestOptionSet(t *testing.T) {
	for want, params := range map[string]map[string]any{
		"":                            nil,
		"format=png size=page":        {"size": "page", "format": "png"},
		"cookie target":               {"target": "#a", "cookie": "a=1"},
		"country=fr delay=2 pdf=true": {"country": "fr", "delay": 2.0, "pdf": true},
		"unheard":                     {"unheard": "x"},
	} {
		if got := parameter.OptionSet(params); got != want {
			t.Errorf("option set of %v: %q, want %q", params, got, want)
		}
	}
}
