package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// slots limits how many requests of a kind are served at once, and counts them.
// If there are several tokens, a token gets another slot only if more slots are
// free than it holds. Therefore one token alone gets half of the slots, and a
// slot remains for the next token.
type slots struct {
	purpose string // what the slots are for, in the plural
	limit   int
	shared  bool
	gauge   prometheus.Gauge

	mu       sync.Mutex
	byCaller map[string]int // slots held, by the name of the caller
	total    int
}

func newSlots(purpose string, limit int, shared bool, gauge prometheus.Gauge) *slots {
	return &slots{purpose: purpose, limit: limit, shared: shared, gauge: gauge, byCaller: map[string]int{}}
}

// acquire takes a slot for the caller, who must call release. Otherwise it
// returns a problem: 429 if the caller has its share, 503 if no slot is free.
func (s *slots) acquire(ctx context.Context) (release func(), err error) {
	caller := callerOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch held, free := s.byCaller[caller], s.limit-s.total; {
	case free == 0:
		return nil, retryLater(problem(http.StatusServiceUnavailable, fmt.Sprintf("there are already %d %s: try again later", s.limit, s.purpose)), retrySoon)
	case s.shared && held >= free:
		return nil, retryLater(problem(http.StatusTooManyRequests,
			fmt.Sprintf("this token has its share, %d of %d %s: try again when one of them has ended", held, s.limit, s.purpose)), retrySoon)
	}
	s.byCaller[caller]++
	s.total++
	s.gauge.Inc()
	return sync.OnceFunc(func() { s.releaseSlot(caller) }), nil
}

func (s *slots) releaseSlot(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.byCaller[caller]--; s.byCaller[caller] == 0 {
		delete(s.byCaller, caller)
	}
	s.gauge.Dec()
}

func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
