package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// places bounds how many do something at once, and counts them. If there are
// several tokens, one gets a further place only while more places are free than it
// holds: alone it gets half of them, and there is one left for the next that comes.
type places struct {
	what   string // they are for, in the plural
	most   int
	shared bool
	taken  prometheus.Gauge

	mu    sync.Mutex
	holds map[string]int // by the caller's name
	total int
}

func newPlaces(what string, most int, shared bool, taken prometheus.Gauge) *places {
	return &places{what: what, most: most, shared: shared, taken: taken, holds: map[string]int{}}
}

// enter takes a place for the caller, who must call leave. Else the error is the
// answer: 429 if the caller has its share, 503 if there is no place.
func (p *places) enter(ctx context.Context) (leave func(), err error) {
	caller := callerOf(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch held, free := p.holds[caller], p.most-p.total; {
	case free == 0:
		return nil, retryLater(problem(http.StatusServiceUnavailable, fmt.Sprintf("there are already %d %s: try again", p.most, p.what)), retrySoon)
	case p.shared && held >= free:
		return nil, retryLater(problem(http.StatusTooManyRequests,
			fmt.Sprintf("this token has its share, %d of %d %s: try again when one of them has ended", held, p.most, p.what)), retrySoon)
	}
	p.holds[caller]++
	p.total++
	p.taken.Inc()
	return sync.OnceFunc(func() { p.left(caller) }), nil
}

func (p *places) left(caller string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.holds[caller]--; p.holds[caller] == 0 {
		delete(p.holds, caller)
	}
	p.taken.Dec()
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
