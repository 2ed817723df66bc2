package sandbox

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
)

// defaultLimit is the size of a page, unless the largest is smaller. The
// vendor's sizes are not documented; a limit above the largest is refused rather
// than cut, so that no caller takes a short page for the last one.
const defaultLimit = 20

// info answers GET /screenshot/info.
func (s *Server) info(_ *http.Request, q url.Values) (any, error) {
	shot, err := s.lookUp(q)
	if err != nil {
		return nil, err
	}
	return shot.object(), nil
}

// list answers GET /screenshot/list: newest first, filtered by status,
// country and any one tag.
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

// search answers GET /screenshot/search: screenshots whose normalised URL
// contains the given text, newest first. One of the SDKs' READMEs calls it q.
func (s *Server) search(_ *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	f := p.page(s.cfg.ListLimit)
	if f.urlPart = orElse(q.Get("url"), q.Get("q")); f.urlPart == "" {
		return nil, missing("url")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.listing(f), nil
}

// ListForm is how a listing of screenshots is answered.
type ListForm string

const (
	// ListArray is the form of the SDKs' code: [{…}, {…}].
	ListArray ListForm = "array"
	// ListObject is the form of an SDK's README: {"screenshots": [{…}, {…}]}.
	ListObject ListForm = "object"
)

// ParseListForm reads the name of a form.
func ParseListForm(text string) (ListForm, error) {
	switch form := ListForm(text); form {
	case ListArray, ListObject:
		return form, nil
	}
	return "", fmt.Errorf("sandbox: list form must be array or object, not %q", text)
}

// listing is what the filter selects, in the form that the sandbox was given.
func (s *Server) listing(f filter) any {
	found := s.books.list(f)
	if s.cfg.ListForm == ListObject {
		return map[string]any{"screenshots": found}
	}
	return found
}

// account answers GET /account/info.
func (s *Server) account(*http.Request, url.Values) (any, error) {
	return map[string]any{"balance": s.books.credits(), "plan": "sandbox"}, nil
}

func (s *Server) noEndpoint(*http.Request, url.Values) (any, error) { return nil, errPath }

// page reads limit, up to the largest, and offset.
func (p *params) page(largest int) filter {
	return filter{
		limit:  p.integer("limit", 1, largest, min(defaultLimit, largest)),
		offset: p.integer("offset", 0, math.MaxInt32, 0),
	}
}

// lookUp finds the screenshot that the id parameter names.
func (s *Server) lookUp(q url.Values) (screenshot, error) {
	id, err := readID(q.Get("id"))
	if err != nil {
		return screenshot{}, err
	}
	shot, found := s.books.find(id)
	if !found {
		return screenshot{}, errUnknown
	}
	return shot, nil
}

// readID reads an id, or says what is wrong with it.
func readID(text string) (int64, error) {
	if text == "" {
		return 0, missing("id")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p := &params{}
		p.refuse("id", "must be a whole number")
		return 0, p.err()
	}
	return id, nil
}
