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

// goMemoryPercent is the share of the process's memory that Go can use, in
// percent. The rest is for SQLite, whose memory Go does not count.
const goMemoryPercent = 70

// minDescriptors is a limit of file descriptors below which a warning is logged,
// because concurrency is reduced.
const minDescriptors = 256

// Bounds of the shares.
const (
	maxConnections         = 8192     // per listener
	connectionBytes        = 32 << 10 // bytes per connection, with request headers
	minBodies              = 8 << 20
	minCache               = 2 << 20
	maxCache               = 64 << 20
	connectionsPerCallback = 3 // connections: one in use and two idle
)

// limitMemory sets the memory limit of Go from the limit of the control group,
// unless GOMEMLIMIT is set.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, err := memlimit.FromCgroup(); err == nil { // fails if there is no limit or no control group
		debug.SetMemoryLimit(int64(min(limit, math.MaxInt64) / 100 * goMemoryPercent))
	}
}

// usableMemory returns how many bytes the process can use: up to the memory
// limit, or all memory of the machine if there is none.
func usableMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit / goMemoryPercent * 100
	}
	if all, err := memlimit.FromSystem(); err == nil {
		return int64(min(all, math.MaxInt64))
	}
	return math.MaxInt64
}

// shares divides the file descriptors and the memory of a process between its
// parts, so that neither a part nor a stranger can exhaust them.
type shares struct {
	webhooks  int   // connections of the webhook listener
	api       int   // connections of the API listener
	vendor    int   // connections to the vendor
	outputs   int   // connections to download images for the API
	callbacks int   // deliveries at the same time
	bodies    int64 // bytes of incoming webhooks
	cache     int64 // bytes of cache per connection of the store
}

// processShares returns the shares of this process.
func processShares(redis bool) shares { return sharesOf(descriptors(), usableMemory(), redis) }

// sharesOf divides file descriptors and bytes of memory. It reserves descriptors
// for the database, the queue and the process itself. Of the rest, a quarter is
// for the vendor, a quarter for callbacks and images, and the remainder for the
// two listeners.
func sharesOf(descriptors int, memory int64, redis bool) shares {
	own := min(96, 30+descriptors/32)
	if redis {
		own += min(32, 8+descriptors/32)
	}
	left := max(descriptors-own, 0)
	s := shares{
		vendor:    clamp(1, left/4, 256),
		outputs:   clamp(1, left/16, 64),
		callbacks: clamp(1, left/16, tasks.CallbackSlots),
		bodies:    clamp(minBodies, memory/8, receiver.DefaultMaxInFlight),
		cache:     clamp(minCache, memory/32, maxCache),
	}
	each := (left - s.vendor - s.outputs - s.callbacks*connectionsPerCallback) / 2
	byMemory := int(min(memory/8/connectionBytes, maxConnections))
	s.webhooks = clamp(2, min(each-listener.Extra(each), byMemory), maxConnections)
	s.api = s.webhooks
	return s
}

// applyShares sets the shares of the engine. It logs a warning if they reduce the
// requested concurrency.
func (w *work) applyShares(s shares) {
	w.VendorConnections, w.CallbackSlots, w.WebhookMemory = s.vendor, s.callbacks, s.bodies
	if n := descriptors(); n < minDescriptors {
		w.Logger.Warn("few file descriptors, so concurrency is reduced: raise the limit (ulimit -n, LimitNOFILE)", "descriptors", n,
			"vendor_connections", s.vendor, "webhook_connections", s.webhooks)
	}
	if allowed := w.Orchestrator().Concurrency; allowed < w.Concurrency {
		w.Logger.Warn("--concurrency is higher than the file descriptors allow", "asked", w.Concurrency, "creates", allowed)
	}
}

func clamp[T int | int64](low, n, high T) T { return max(low, min(n, high)) }
