package api

import "github.com/prometheus/client_golang/prometheus"

// Connections is the state of a listener. Its counters are those of this process.
type Connections struct {
	Listener     string // name
	Open         int
	Most         int   // maximum number of open connections
	Evicted      int64 // closed to admit others
	Refused      int64 // requests answered 503 because no connection could be closed
	SlowBodies   int64 // bodies cut off because they were slow
	AcceptErrors int64
}

var (
	openDesc      = describe("connections", "Connections that are open now, by listener.", "listener")
	mostDesc      = describe("connections_limit", "Maximum number of open connections, by listener.", "listener")
	evictedDesc   = describe("connections_evicted_total", "Connections that were closed at the limit to admit others, because they had waited longest for their peer.", "listener")
	refusedDesc   = describe("connections_refused_total", "Requests answered 503 because all connections were being answered.", "listener")
	slowDesc      = describe("slow_bodies_total", "Bodies cut off because they arrived too slowly.", "listener")
	acceptErrDesc = describe("accept_errors_total", "Connections that could not be accepted, for example because no file descriptors were left.", "listener")
)

func describeConnections(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{openDesc, mostDesc, evictedDesc, refusedDesc, slowDesc, acceptErrDesc} {
		to <- desc
	}
}

func connectionSamples(listeners []Connections, gauge, counter sample) {
	for _, l := range listeners {
		gauge(openDesc, float64(l.Open), l.Listener)
		gauge(mostDesc, float64(l.Most), l.Listener)
		counter(evictedDesc, float64(l.Evicted), l.Listener)
		counter(refusedDesc, float64(l.Refused), l.Listener)
		counter(slowDesc, float64(l.SlowBodies), l.Listener)
		counter(acceptErrDesc, float64(l.AcceptErrors), l.Listener)
	}
}
