package sandbox

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
)

// defaultLimit is the default page size, unless the maximum is smaller. The
// vendor documents neither. A limit above the maximum is refused instead of
// reduced, because a client could take a short page for the last one.
const defaultLimit = 20

// info handles GET /screenshot/info.
func (s *Server) info(_ *http.Request, q url.Values) (any, error) {
	shot, err := s.lookUp(q)
	if err != nil {
		return nil, err
	}
	return shot.object(), nil
}

// list handles GET /screenshot/list. It lists the newest screenshots first and
// can filter by status, country and one tag.
func (s *Server) list(_ *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	f := p.page(s.cfg.ListLimit)
	f.status = p.choice("status", "", statusProcessing, statusFinished, statusError)
	f.country = q.Get("country")
	f.tag = q.Get("tag")
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.listing(f), nil
}

// search handles GET /screenshot/search. It lists screenshots whose normalized
// URL contains the given text, newest first. The README of one SDK names the
// parameter q.
func (s *Server) search(_ *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	f := p.page(s.cfg.ListLimit)
	if f.urlPart = orElse(q.Get("url"), q.Get("q")); f.urlPart == "" {
		return nil, missingParam("url")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.listing(f), nil
}

// ListForm is the format of a listing of screenshots.
type ListForm string

const (
	// ListArray is the format in the code of the SDKs: [{…}, {…}].
	ListArray ListForm = "array"
	// ListObject is the format in the README of one SDK: {"screenshots": [{…},
	// {…}]}.
	ListObject ListForm = "object"
)

// ParseListForm parses the name of a format.
func ParseListForm(text string) (ListForm, error) {
	switch form := ListForm(text); form {
	case ListArray, ListObject:
		return form, nil
	}
	return "", fmt.Errorf("sandbox: list form must be array or object, not %q", text)
}

// listing returns the screenshots that match the filter, in the configured
// format.
func (s *Server) listing(f filter) any {
	found := s.store.list(f)
	if s.cfg.ListForm == ListObject {
		return map[string]any{"screenshots": found}
	}
	return found
}

// account handles GET /account/info.
func (s *Server) account(*http.Request, url.Values) (any, error) {
	return map[string]any{"balance": s.store.credits(), "plan": "sandbox"}, nil
}

func (s *Server) noEndpoint(*http.Request, url.Values) (any, error) { return nil, errPath }

// page reads offset and limit, which can be at most largest.
func (p *params) page(largest int) filter {
	return filter{
		limit:  p.integer("limit", 1, largest, min(defaultLimit, largest)),
		offset: p.integer("offset", 0, math.MaxInt32, 0),
	}
}

// lookUp returns the screenshot that the id parameter names.
func (s *Server) lookUp(q url.Values) (screenshot, error) {
	id, err := readID(q.Get("id"))
	if err != nil {
		return screenshot{}, err
	}
	shot, found := s.store.find(id)
	if !found {
		return screenshot{}, errUnknown
	}
	return shot, nil
}

// readID parses the value of an id parameter.
func readID(text string) (int64, error) {
	if text == "" {
		return 0, missingParam("id")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p := &params{}
		p.refuse("id", "must be a whole number")
		return 0, p.err()
	}
	return id, nil
}
