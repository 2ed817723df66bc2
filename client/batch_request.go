package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// BatchRequest requests one screenshot for each of many pages.
type BatchRequest struct {
	// URLs are the pages. At least one is required. Surrounding space is removed.
	// The vendor does not document a maximum; the request is built in memory.
	URLs []string
	// Country is where the pages are opened from, such as "us". Required.
	Country string
	// Params are further vendor parameters for every page. Tags mark every
	// screenshot, and Apps are notified about every screenshot: see CreateRequest.
	// Params must not contain "url", "urls", "file", "country", "key" or "apps".
	Params map[string]any
	Tags   []string
	Apps   []App
	// JSON selects the encoding. If it is true, the request is one JSON object, as
	// on the vendor's help page. Otherwise it is a multipart form with a file of
	// one URL per line, as in the SDKs.
	JSON bool
}

// form encodes the request. It returns a ParamError if a field is invalid.
func (r BatchRequest) form() (*form, error) {
	if len(r.URLs) == 0 {
		return nil, &ParamError{Name: "urls", Reason: "is empty"}
	}
	r.URLs = slices.Clone(r.URLs)
	for i, address := range r.URLs {
		r.URLs[i] = strings.TrimSpace(address)
		switch {
		case r.URLs[i] == "":
			return nil, &ParamError{Name: "urls", Reason: fmt.Sprintf("entry %d is empty", i+1)}
		case strings.ContainsAny(address, "\r\n"):
			return nil, &ParamError{Name: "urls", Reason: fmt.Sprintf("entry %d has a line break in it", i+1)}
		}
	}
	if r.Country == "" {
		return nil, &ParamError{Name: "country", Reason: "is empty"}
	}
	options, err := encodeOptions(r.Params, r.Tags, r.Apps, "url", "urls", "file", "country")
	if err != nil {
		return nil, err
	}
	if r.JSON {
		return r.object(options)
	}
	return r.multipart(options)
}

// object encodes the request as on the help page. Parameters keep their JSON
// types.
func (r BatchRequest) object(options url.Values) (*form, error) {
	object := map[string]any{}
	for name, value := range r.Params {
		if value != nil {
			object[name] = value
		}
	}
	for _, name := range []string{"tag", "apps"} {
		delete(object, name)
		if values := options[name]; len(values) > 0 {
			object[name] = values
		}
	}
	if apps := options.Get("apps"); strings.HasPrefix(apps, "{") {
		object["apps"] = json.RawMessage(apps)
	}
	object["urls"], object["country"] = r.URLs, r.Country
	data, err := plainJSON(object)
	if err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	return &form{kind: "application/json", data: []byte(data)}, nil
}

// multipart encodes the request as in the SDKs. Writing to memory cannot fail.
func (r BatchRequest) multipart(options url.Values) (*form, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	file, _ := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="urls.txt"`},
		"Content-Type":        {"text/plain; charset=utf-8"},
	})
	for _, address := range r.URLs {
		fmt.Fprintln(file, address)
	}
	options.Set("country", r.Country)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		for _, value := range options[name] {
			_ = w.WriteField(name, value)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	return &form{kind: w.FormDataContentType(), data: body.Bytes()}, nil
}
