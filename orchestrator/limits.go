package orchestrator

import "shotline/jobs"

// Limits bound the rows of an import.
type Limits struct {
	Rows int // of a batch; 0: any number
	// Room returns a jobs.ErrNoRoom if the disk has no room for more. If Room is
	// nil, the disk is not checked.
	Room func() error
}

// roomEvery is after how many bytes of rows the disk is checked again.
const roomEvery = 1 << 20

// Guard returns the requests up to the limits. Beyond them its Next fails with a
// *jobs.RowLimitError or a jobs.ErrNoRoom.
func (l Limits) Guard(requests Requests) Requests {
	return &guarded{Requests: requests, limits: l, left: 0}
}

type guarded struct {
	Requests
	limits Limits
	rows   int
	left   int // bytes until the disk is checked
}

// Next implements Requests.
func (g *guarded) Next() (jobs.Request, error) {
	if g.limits.Room != nil && g.left <= 0 {
		if err := g.limits.Room(); err != nil {
			return jobs.Request{}, err
		}
		g.left = roomEvery
	}
	request, err := g.Requests.Next()
	if err != nil {
		return request, err
	}
	g.left -= request.Size()
	if g.rows++; g.limits.Rows > 0 && g.rows > g.limits.Rows {
		return jobs.Request{}, &jobs.RowLimitError{Row: g.rows, Line: request.Line, Limit: g.limits.Rows}
	}
	return request, nil
}
