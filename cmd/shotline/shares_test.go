package main

import (
	"math"
	"testing"

	"shotline/receiver/listener"
)

// TestSharesFitIntoTheLimits: whatever there is, all parts together take no more
// than that, and each gets something.
func TestSharesFitIntoTheLimits(t *testing.T) {
	for _, redis := range []bool{false, true} {
		for _, descriptors := range []int{64, 96, 128, 256, 512, 1000, 1024, 4096, 20000, 1 << 20, math.MaxInt32} {
			for _, memory := range []int64{128 << 20, 256 << 20, 512 << 20, 1 << 30, 64 << 30, math.MaxInt64} {
				s := sharesOf(descriptors, memory, redis)
				const own = 24 // of a serve at rest, without connections
				used := own + s.webhooks + listener.Extra(s.webhooks) + s.api + listener.Extra(s.api) + s.vendor + s.outputs + connectionsPerCallback*s.callbacks
				if used > descriptors {
					t.Errorf("%d descriptors: %+v are %d", descriptors, s, used)
				}
				if s.webhooks < 2 || s.api < 2 || s.vendor < 2 || s.outputs < 1 || s.callbacks < 1 {
					t.Errorf("%d descriptors: somebody gets too little: %+v", descriptors, s)
				}
				// A writer and five readers have caches; small bodies have the last quarter.
				held := s.bodies + int64(s.webhooks+s.api)*connectionBytes + 6*s.cache
				if held > memory/10*7 {
					t.Errorf("%d MiB of memory: %+v are %d MiB", memory>>20, s, held>>20)
				}
				if int64(s.webhooks)*(4<<10) > s.bodies/4 && memory < 1<<30 {
					t.Errorf("%d MiB of memory: %+v leave no room for small bodies", memory>>20, s)
				}
			}
		}
	}
	plenty := sharesOf(20000, 16<<30, true)
	if plenty.webhooks < 4096 || plenty.api < 4096+512 || plenty.vendor != 256 || plenty.callbacks != 32 || plenty.bodies != 64<<20 || plenty.cache != 64<<20 {
		t.Errorf("with plenty of everything: %+v", plenty)
	}
}
