package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// applyReadFaults applies the faults of read-only calls. If faulty is true, it
// returns the response. Otherwise it might have changed limit and offset in q.
func (s *Server) applyReadFaults(name string, e endpoint, q url.Values) (answer any, faulty bool, err error) {
	if e.method != http.MethodGet || slices.Contains([]string{"screenshot/create", "screenshot/delete"}, name) {
		return nil, false, nil
	}
	c := s.faults.next(func() string { return readSubject(name, q) })
	for _, fault := range []string{faultRead500, faultRead429} {
		if c.hit(fault) {
			s.store.recordFault(c, nil, fault)
			answer, err = c.refusal(fault)
			return answer, true, err
		}
	}
	if slices.Contains([]string{"screenshot/list", "screenshot/search", "batch/list"}, name) && c.hit(faultListShift) {
		s.store.recordFault(c, nil, faultListShift)
		c.shiftPage(q, s.cfg.ListLimit)
	}
	return nil, false, nil
}

// shiftPage makes the page start earlier or later, or end before its limit. It
// leaves invalid values of limit and offset unchanged, so that the endpoint
// refuses them.
func (c trial) shiftPage(q url.Values, largest int) {
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

// readSubject returns the subject of a read-only call: endpoint and query,
// without the key.
func readSubject(endpoint string, q url.Values) string {
	named := make(url.Values, len(q))
	for name, values := range q {
		if name != "key" {
			named[name] = values
		}
	}
	return endpoint + "?" + named.Encode()
}
