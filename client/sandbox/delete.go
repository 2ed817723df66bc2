package sandbox

import (
	"net/http"
	"net/url"
)

// Scopes of /screenshot/delete. The vendor names them but does not document what
// each one removes.
const (
	deleteAll      = "all"      // the screenshot; later calls do not find it
	deleteImage    = "image"    // the outputs: images, HTML and PDF
	deleteMetadata = "metadata" // final URL, title, error, tags, country and region
	deleteURL      = "url"      // the URL
)

// delete handles GET /screenshot/delete. The ledger always keeps the cost and the
// deliveries of the create. A screenshot in the status processing cannot be
// deleted.
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
		return nil, errProcessing
	}
	if s.outputs != nil && (scope == deleteAll || scope == deleteImage) {
		if err := s.outputs.remove(shot.id, shot.result); err != nil {
			return nil, err
		}
	}
	s.store.erase(shot.id, scope)
	return map[string]any{"id": shot.id, "deleted": scope}, nil
}

// erase removes a part of a screenshot that is no longer processing.
func (st *store) erase(id int64, scope string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	shot := st.at(id)
	if shot == nil {
		return
	}
	switch scope {
	case deleteAll:
		shot.deleted = true
	case deleteImage:
		shot.result.images, shot.result.hasHTML, shot.result.hasPDF = nil, false, false
	case deleteMetadata:
		shot.metadataDeleted = true
	case deleteURL:
		shot.urlDeleted = true
	}
}
