package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// spoilRead decides whether a call that only reads goes wrong. It may move the
// page that q asks for; otherwise, when spoilt, it returns the answer.
func (s *Server) spoilRead(name string, e endpoint, q url.Values) (answer any, spoilt bool, err error) {
	if e.method != http.MethodGet || slices.Contains([]string{"screenshot/create", "screenshot/delete"}, name) {
		return nil, false, nil
	}
	c := s.faults.next(func() string { return readSubject(name, q) })
	for _, fault := range []string{faultRead500, faultRead429} {
		if c.hit(fault) {
			s.books.fire(c, nil, fault)
			answer, err = c.refusal(fault)
			return answer, true, err
		}
	}
	if slices.Contains([]string{"screenshot/list", "screenshot/search", "batch/list"}, name) && c.hit(faultListShift) {
		s.books.fire(c, nil, faultListShift)
		c.shiftPage(q, s.cfg.ListLimit)
	}
	return nil, false, nil
}

// shiftPage makes the page begin earlier or later, or end before its limit.
// What is wrong with limit and offset stays wrong, for the endpoint to refuse.
func (c chance) shiftPage(q url.Values, largest int) {
	by := int(c.number(faultListShift, "by"))
	limit, errLimit := strconv.Atoi(orElse(q.Get("limit"), strconv.Itoa(min(defaultLimit, largest))))
	offset, errOffset := strconv.Atoi(orElse(q.Get("offset"), "0"))
	if errLimit != nil || errOffset != nil || limit < 1 || limit > largest || offset < 0 {
		return
	}
	switch c.draw(faultListShift, "way") % 3 {
	case 0:
		offset += by
	case 1:
		if offset == 0 {
			offset = by
			break
		}
		offset = max(offset-by, 0)
	default:
		limit = max(limit-by, 1)
	}
	q.Set("limit", strconv.Itoa(limit))
	q.Set("offset", strconv.Itoa(offset))
}

// readSubject names a reading call: by endpoint and query, without the key.
func readSubject(endpoint string, q url.Values) string {
	named := make(url.Values, len(q))
	for name, values := range q {
		if name != "key" {
			named[name] = values
		}
	}
	return endpoint + "?" + named.Encode()
}
