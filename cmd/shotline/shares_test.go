package main

import (
	"math"
	"testing"

	"shotline/receiver/listener"
)

// TestSharesFitIntoLimits checks that all parts together stay within the limits,
// and that each part gets something.
func TestSharesFitIntoLimits(t *testing.T) {
	for _, redis := range []bool{false, true} {
		for _, descriptors := range []int{64, 96, 128, 256, 512, 1000, 1024, 4096, 20000, 1 << 20, math.MaxInt32} {
			for _, memory := range []int64{128 << 20, 256 << 20, 512 << 20, 1 << 30, 64 << 30, math.MaxInt64} {
				s := sharesOf(descriptors, memory, redis)
				const own = 24 // descriptors of an idle serve, without connections
				used := own + s.webhooks + listener.Extra(s.webhooks) + s.api + listener.Extra(s.api) + s.vendor + s.outputs + connectionsPerCallback*s.callbacks
				if used > descriptors {
					t.Errorf("%d descriptors: %+v use %d", descriptors, s, used)
				}
				if s.webhooks < 2 || s.api < 2 || s.vendor < 2 || s.outputs < 1 || s.callbacks < 1 {
					t.Errorf("%d descriptors: a share is too small: %+v", descriptors, s)
				}
				// One writer and five readers have caches. A quarter of bodies is
				// reserved for small ones.
				held := s.bodies + int64(s.webhooks+s.api)*connectionBytes + 6*s.cache
				if held > memory/10*7 {
					t.Errorf("%d MiB of memory: %+v use %d MiB", memory>>20, s, held>>20)
				}
				if int64(s.webhooks)*(4<<10) > s.bodies/4 && memory < 1<<30 {
					t.Errorf("%d MiB of memory: %+v leave no room for small bodies", memory>>20, s)
				}
			}
		}
	}
	plenty := sharesOf(20000, 16<<30, true)
	if plenty.webhooks < 4096 || plenty.api < 4096+512 || plenty.vendor != 256 || plenty.callbacks != 32 || plenty.bodies != 64<<20 || plenty.cache != 64<<20 {
		t.Errorf("large limits: got %+v", plenty)
	}
}
