package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// App identifies a connected app that the vendor notifies about a screenshot.
type App struct {
	ID           string // as in the vendor's dashboard
	PathTemplate string // storage path such as "archive/{domain}/{id}.png"; if empty, the app's default is used
}

// CreateRequest requests one screenshot.
type CreateRequest struct {
	// URL is the page to capture. Required.
	URL string
	// Params are further vendor parameters by name. They are not validated. Scalars
	// are sent as text, lists of scalars as repeated keys, and other values as one
	// JSON string. A nil value is not sent. Params must not contain "url", "key" or
	// "apps". The values of "tag" are placed before Tags.
	Params map[string]any
	// Tags mark the screenshot. The first one is the vendor's {tag}. Empty and
	// repeated tags are not sent.
	Tags []string
	// Apps are notified when the screenshot has ended. If any of them has a path
	// template, all are sent as one object in which the others have an empty
	// template.
	Apps []App
}

// query encodes the request as the vendor's SDKs do. Equal requests have equal
// results: map order does not matter.
func (r CreateRequest) query() (url.Values, error) {
	if strings.TrimSpace(r.URL) == "" {
		return nil, &ParamError{Name: "url", Reason: "is empty"}
	}
	q, err := encodeOptions(r.Params, r.Tags, r.Apps, "url")
	if err != nil {
		return nil, err
	}
	q.Set("url", r.URL)
	return q, nil
}

// encodeOptions encodes the options that screenshots and batches share. The
// request has its own fields for the parameters listed in fields, and for apps;
// params must not contain them.
func encodeOptions(params map[string]any, tags []string, apps []App, fields ...string) (url.Values, error) {
	q := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := checkName(name, fields); err != nil {
			return nil, err
		}
		values, composite, err := encodeParam(params[name])
		if err != nil {
			return nil, &ParamError{Name: name, Reason: err.Error()}
		}
		if name != "tag" {
			if len(values) > 0 {
				q[name] = values
			}
			continue
		}
		if composite {
			return nil, &ParamError{Name: name, Reason: "must be one string or a list of strings"}
		}
		tags = slices.Concat(values, tags)
	}
	for _, tag := range tags {
		if tag != "" && !slices.Contains(q["tag"], tag) {
			q.Add("tag", tag)
		}
	}
	return q, addApps(q, apps)
}

// checkName returns an error if params must not contain a parameter of that name.
func checkName(name string, fields []string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return &ParamError{Name: name, Reason: "has no name"}
	case lower == "key":
		return &ParamError{Name: name, Reason: "the API key is sent in a header and must not be a parameter"}
	case lower == "apps" || slices.Contains(fields, lower):
		return &ParamError{Name: name, Reason: "must be set by its own field of the request"}
	}
	return nil
}

func addApps(q url.Values, apps []App) error {
	templates := make(map[string]string, len(apps))
	templated := false
	var ids []string
	for _, app := range apps {
		if app.ID == "" {
			return &ParamError{Name: "apps", Reason: "has an empty id"}
		}
		if known, ok := templates[app.ID]; ok {
			if known != app.PathTemplate {
				return &ParamError{Name: "apps", Reason: fmt.Sprintf("names app %q twice with different templates", app.ID)}
			}
			continue
		}
		ids = append(ids, app.ID)
		templates[app.ID] = app.PathTemplate
		templated = templated || app.PathTemplate != ""
	}
	switch {
	case templated:
		object, err := plainJSON(templates)
		if err != nil {
			return &ParamError{Name: "apps", Reason: err.Error()}
		}
		q.Set("apps", object)
	case len(ids) > 0:
		q["apps"] = ids
	}
	return nil
}

// encodeParam returns the texts that are sent for a value, and whether the value
// is sent as one JSON string. It encodes the value as JSON first, so that
// structs, typed slices and json.Marshalers have the form that the vendor
// expects.
func encodeParam(value any) (values []string, composite bool, err error) {
	encoded, err := plainJSON(value)
	if err != nil {
		return nil, false, fmt.Errorf("cannot be encoded: %w", err)
	}
	if encoded[0] == '{' {
		return []string{encoded}, true, nil
	}
	if encoded[0] != '[' {
		values, _ = scalar(json.RawMessage(encoded), nil)
		return values, false, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(encoded), &list); err != nil {
		return nil, false, fmt.Errorf("cannot be encoded: %w", err)
	}
	for _, element := range list {
		var ok bool
		if values, ok = scalar(element, values); !ok {
			return []string{encoded}, true, nil
		}
	}
	return values, false, nil
}

// scalar appends the text of a JSON scalar to list. It appends nothing for null.
// It returns false if raw is not a scalar.
func scalar(raw json.RawMessage, list []string) ([]string, bool) {
	switch raw[0] {
	case '{', '[':
		return list, false
	case 'n':
		return list, true
	}
	return append(list, text(raw)), true
}

// plainJSON encodes a value without HTML escapes.
func plainJSON(value any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// setInt adds a number to the query unless it is zero.
func setInt(q url.Values, name string, n int) error {
	if n < 0 {
		return &ParamError{Name: name, Reason: "must not be negative"}
	}
	if n > 0 {
		q.Set(name, strconv.Itoa(n))
	}
	return nil
}

// setText adds a text to the query unless it is empty.
func setText(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
