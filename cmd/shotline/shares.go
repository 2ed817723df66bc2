package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"shotline/jobs/tasks"
	"shotline/receiver"
	"shotline/receiver/listener"
)

// goShare is how much of the memory that the process may use is for Go, in
// percent. The rest is for SQLite, which Go does not know of.
const goShare = 70

// fewDescriptors is below what everything has room.
const fewDescriptors = 256

// Bounds of the shares, where descriptors and memory are plenty.
const (
	mostConnections = 8192     // of a listener
	connectionRoom  = 32 << 10 // bytes that one may take, with the headers of a request
	leastBodies     = 8 << 20
	leastCache      = 2 << 20
	mostCache       = 64 << 20
	perCallback     = 3 // connections: one under way, and two idle
)

// limitMemory lets Go collect garbage in time for the limit of the control group,
// unless GOMEMLIMIT gives one.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, err := memlimit.FromCgroup(); err == nil { // none, or no control groups
		debug.SetMemoryLimit(int64(min(limit, math.MaxInt64) / 100 * goShare))
	}
}

// usableMemory is how many bytes the process may use: by the limit that is in
// force, or what the machine has.
func usableMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit / goShare * 100
	}
	if all, err := memlimit.FromSystem(); err == nil {
		return int64(min(all, math.MaxInt64))
	}
	return math.MaxInt64
}

// shares is what each part of a process may take of its file descriptors and its
// memory, so that no part, and no stranger, takes what another needs.
type shares struct {
	webhooks  int   // connections of their listener
	api       int   // and of that of the API
	vendor    int   // connections to the vendor
	outputs   int   // and for pictures that the API fetches
	callbacks int   // delivered at the same time
	bodies    int64 // bytes of webhooks that come in
	cache     int64 // bytes that one connection of the store caches
}

// ownShares are those of this process.
func ownShares(redis bool) shares { return sharesOf(descriptors(), usableMemory(), redis) }

// sharesOf divides file descriptors and bytes of memory. A quarter of the
// descriptors is for the vendor, an eighth for callbacks and pictures, and the rest
// for the two listeners, after those of the database, the queue and the process
// itself.
func sharesOf(descriptors int, memory int64, redis bool) shares {
	own := min(96, 30+descriptors/32)
	if redis {
		own += min(32, 8+descriptors/32)
	}
	left := max(descriptors-own, 0)
	s := shares{
		vendor:    between(1, left/4, 256),
		outputs:   between(1, left/16, 64),
		callbacks: between(1, left/16, tasks.CallbackSlots),
		bodies:    between(leastBodies, memory/8, receiver.DefaultMaxInFlight),
		cache:     between(leastCache, memory/32, mostCache),
	}
	each := (left - s.vendor - s.outputs - s.callbacks*perCallback) / 2
	byMemory := int(min(memory/8/connectionRoom, mostConnections))
	s.webhooks = between(2, min(each-listener.Extra(each), byMemory), mostConnections)
	s.api = s.webhooks
	return s
}

// allot sets the engine's shares, and logs a warning if they are below what was
// requested.
func (w *work) allot(s shares) {
	w.VendorConnections, w.CallbackSlots, w.WebhookMemory = s.vendor, s.callbacks, s.bodies
	if n := descriptors(); n < fewDescriptors {
		w.Logger.Warn("few file descriptors, so concurrency is reduced: raise the limit (ulimit -n, LimitNOFILE)", "descriptors", n,
			"vendor_connections", s.vendor, "webhook_connections", s.webhooks)
	}
	if most := w.Orchestrator().Concurrency; most < w.Concurrency {
		w.Logger.Warn("--concurrency is higher than the file descriptors allow", "asked", w.Concurrency, "creates", most)
	}
}

func between[T int | int64](least, n, most T) T { return max(least, min(n, most)) }
