package api

import "github.com/prometheus/client_golang/prometheus"

// places bounds how many do something at once, and counts them.
type places struct {
	slots chan struct{}
	taken prometheus.Gauge
}

func newPlaces(most int, taken prometheus.Gauge) places {
	return places{make(chan struct{}, most), taken}
}

// enter is false when all places are taken. Each that is true is followed by
// leave.
func (p places) enter() bool {
	select {
	case p.slots <- struct{}{}:
		p.taken.Inc()
		return true
	default:
		return false
	}
}

func (p places) leave() {
	<-p.slots
	p.taken.Dec()
}

func (p places) count() int { return len(p.slots) }
