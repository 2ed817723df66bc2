package sandbox

import (
	"net/http"
	"net/url"
)

// What /screenshot/delete removes. The vendor names the scopes and does not say
// what each holds.
const (
	deleteAll      = "all"      // the screenshot: it is unknown from then on
	deleteImage    = "image"    // what was rendered: pictures, HTML and PDF
	deleteMetadata = "metadata" // final address, title, error, tags, country, region
	deleteURL      = "url"      // the address
)

// delete answers GET /screenshot/delete. Whatever is removed, the ledger keeps
// what the create cost and whom it told. A screenshot that is being processed
// cannot be deleted.
func (s *Server) delete(_ *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	scope := p.choice("data", deleteAll, deleteImage, deleteMetadata, deleteURL)
	if err := p.err(); err != nil {
		return nil, err
	}
	shot, err := s.lookUp(q)
	if err != nil {
		return nil, err
	}
	if shot.status == statusProcessing {
		return nil, errWorking
	}
	if s.outputs != nil && (scope == deleteAll || scope == deleteImage) {
		if err := s.outputs.remove(shot.id, shot.result); err != nil {
			return nil, err
		}
	}
	s.books.erase(shot.id, scope)
	return map[string]any{"id": shot.id, "deleted": scope}, nil
}

// erase forgets a part of a screenshot that is not processing any more.
func (b *books) erase(id int64, scope string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shot := b.at(id)
	if shot == nil {
		return
	}
	switch scope {
	case deleteAll:
		shot.deleted = true
	case deleteImage:
		shot.result.pictures, shot.result.hasHTML, shot.result.hasPDF = nil, false, false
	case deleteMetadata:
		shot.bare = true
	case deleteURL:
		shot.nameless = true
	}
}
