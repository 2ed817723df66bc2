package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // embedded, because the system might have no time zone database

	"shotline/client/parameter"
	"shotline/client/sandbox/raster"
)

// Limits of the sandbox. The vendor documents none.
const (
	maxURLLength   = 8192
	maxTags        = 32
	maxTagLength   = 255
	maxApps        = 16
	maxAppIDLength = 64
	maxTemplate    = 1024           // bytes of a storage path template
	maxWord        = 64             // bytes of country and region
	maxIgnored     = 50             // names of ignored parameters that are remembered
	maxWidth       = 4000           // px, viewport and image
	maxHeight      = raster.MaxSide // px, image
)

// params reads typed values from a query. It collects all errors, so that one
// response can list them.
type params struct {
	query url.Values
	units units // only for orders
	wrong map[string][]string
}

// units are the units of values for which the vendor documents no unit, or
// contradictory ones.
type units struct{ sleep, interval time.Duration }

func (p *params) refuse(name, reason string) {
	if p.wrong == nil {
		p.wrong = make(map[string][]string)
	}
	p.wrong[name] = append(p.wrong[name], reason)
}

// err returns an error that lists all refused parameters, or nil if there are
// none.
func (p *params) err() error {
	if len(p.wrong) == 0 {
		return nil
	}
	name := slices.Min(slices.Collect(maps.Keys(p.wrong)))
	return &apiError{
		status: http.StatusUnprocessableEntity,
		code:   "VALIDATION_ERROR",
		text:   fmt.Sprintf("Validation failed: %s %s", name, p.wrong[name][0]),
		fields: p.wrong,
	}
}

// integer reads an integer from lowest to highest. It returns fallback if the
// parameter is absent or empty.
func (p *params) integer(name string, lowest, highest, fallback int) int {
	text := p.query.Get(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest || n > highest {
		p.refuse(name, fmt.Sprintf("must be a whole number from %d to %d", lowest, highest))
		return fallback
	}
	return n
}

// values returns the values of a parameter that the table of parameters lists.
func values(name string) []string {
	p, _ := parameter.Lookup(name)
	return p.Values
}

// choice reads one of the allowed words. The first one is the default.
func (p *params) choice(name string, allowed ...string) string {
	text := p.query.Get(name)
	if text == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, text) {
		p.refuse(name, "must be one of "+strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
		return allowed[0]
	}
	return text
}

// choiceFold is like choice, but ignores case and has a separate default.
func (p *params) choiceFold(name, fallback string, allowed ...string) string {
	text := p.query.Get(name)
	if text == "" {
		return fallback
	}
	if !slices.ContainsFunc(allowed, func(word string) bool { return strings.EqualFold(word, text) }) {
		p.refuse(name, "must be one of "+strings.Join(allowed, ", "))
		return fallback
	}
	return text
}

// number reads a number from lowest to highest. It returns fallback if the
// parameter is absent or empty.
func (p *params) number(name string, lowest, highest, fallback float64) float64 {
	text := p.query.Get(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseFloat(text, 64)
	if !(err == nil && n >= lowest && n <= highest) {
		p.refuse(name, fmt.Sprintf("must be a number from %v to %v", lowest, highest))
		return fallback
	}
	return n
}

// flag reads true/false or 1/0. The default is false.
func (p *params) flag(name string) bool { return p.flagOr(name, false) }

// flagOr is like flag, but with a given default.
func (p *params) flagOr(name string, fallback bool) bool {
	text := p.query.Get(name)
	if text == "" {
		return fallback
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		p.refuse(name, "must be true or false")
	}
	return on
}

// word reads a short text.
func (p *params) word(name, fallback string) string {
	text := orElse(p.query.Get(name), fallback)
	if len(text) > maxWord {
		p.refuse(name, fmt.Sprintf("must not be longer than %d bytes", maxWord))
		return fallback
	}
	return text
}

// firstGiven returns the first of the names that has a value, or the last name if
// none has.
func (p *params) firstGiven(names ...string) string {
	for _, name := range names {
		if p.query.Get(name) != "" {
			return name
		}
	}
	return names[len(names)-1]
}

// either returns older if only the parameter's older name has a value. Otherwise
// it returns name.
func (p *params) either(name, older string) string {
	if p.query.Get(name) == "" && p.query.Get(older) != "" {
		return older
	}
	return name
}

func (p *params) language() string {
	name := p.either("language", "lang")
	text := p.query.Get(name)
	if text != "" && !ValidLanguage(text) {
		p.refuse(name, "must be a language such as fr or fr-FR")
		return ""
	}
	return text
}

func (p *params) timezone() string {
	name := p.either("timezone", "tz")
	text := p.query.Get(name)
	if text == "" {
		return ""
	}
	if _, err := time.LoadLocation(text); err != nil || text == "Local" {
		p.refuse(name, "must be an IANA time zone such as Europe/Paris")
		return ""
	}
	return text
}

// address reads and normalizes the url parameter.
func (p *params) address() string {
	address, err := normaliseURL(p.query.Get("url"))
	if err != nil {
		p.refuse("url", err.Error())
	}
	return address
}

// tags reads the repeatable tag parameter. Empty and repeated tags are dropped.
func (p *params) tags() []string {
	tags := []string{}
	if len(p.query["tag"]) > maxTags {
		p.refuse("tag", fmt.Sprintf("must not be given more than %d times", maxTags))
		return tags
	}
	for _, tag := range p.query["tag"] {
		switch {
		case len(tag) > maxTagLength:
			p.refuse("tag", fmt.Sprintf("must not be longer than %d bytes", maxTagLength))
		case tag != "" && !slices.Contains(tags, tag):
			tags = append(tags, tag)
		}
	}
	return tags
}

// apps reads the apps parameter.
func (p *params) apps() []app {
	apps, err := parseApps(p.query["apps"])
	if err != nil {
		p.refuse("apps", err.Error())
	}
	return apps
}

// app is an app that a create names.
type app struct {
	id       string
	template string // storage path template of this app's copy; may be empty
}

// parseApps parses repeated ids (12, 34) and JSON objects from id to storage path
// template ({"12":"archive/{id}.png"}), or a mixture of both. It returns the apps
// in the given order. The ids of one object are sorted.
func parseApps(values []string) ([]app, error) {
	var apps []app
	tooMany := fmt.Errorf("must not name more than %d apps", maxApps)
	if len(values) > maxApps {
		return nil, tooMany
	}
	for _, value := range values {
		value = strings.TrimSpace(value)
		if value == "" {
			continue
		}
		found := map[string]string{value: ""}
		if strings.HasPrefix(value, "{") {
			found = nil
			if err := json.Unmarshal([]byte(value), &found); err != nil {
				return nil, errors.New("must be app ids or a JSON object from app id to path template")
			}
		}
		if len(found) > maxApps {
			return nil, tooMany
		}
		for _, id := range slices.Sorted(maps.Keys(found)) {
			if len(found[id]) > maxTemplate {
				return nil, fmt.Errorf("must not have a path template longer than %d bytes", maxTemplate)
			}
			if !validAppID(id) {
				return nil, fmt.Errorf("must have app ids of up to %d letters, digits, - and _", maxAppIDLength)
			}
			if !slices.ContainsFunc(apps, func(a app) bool { return a.id == id }) {
				apps = append(apps, app{id: id, template: found[id]})
			}
		}
	}
	if len(apps) > maxApps {
		return nil, tooMany
	}
	return apps, nil
}

func validAppID(id string) bool {
	if id == "" || len(id) > maxAppIDLength {
		return false
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
