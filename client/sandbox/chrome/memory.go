package chrome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/chromedp/cdproto/target"
)

// DefaultPageMemory is the default of Config.PageMemory, in bytes.
const DefaultPageMemory = 1 << 30

// How often to measure the memory of the browser's processes: while tabs are
// open, and otherwise.
const (
	memoryInterval     = 100 * time.Millisecond
	memoryIdleInterval = time.Second
)

// errTabMemory is the error of a render whose page used too much memory.
var errTabMemory = errors.New("the page used too much memory")

// process is one of the browser's processes.
type process struct {
	pid  int
	kind string // renderer, gpu-process, utility, …; empty for the browser itself
	used int64  // bytes of memory that the process does not share
}

// memory holds the memory limits of the browser. Chromium only limits the heap of
// a page's scripts. Buffers, images and documents could otherwise fill the
// machine's memory.
type memory struct {
	page  int64 // limit for each process of a page, in bytes
	whole int64 // limit for all processes together, in bytes
}

// memoryOf returns the limits of a configuration.
func memoryOf(cfg *Config) memory {
	return memory{page: cfg.PageMemory, whole: cfg.PageMemory * int64(cfg.Tabs+1)}
}

// scriptHeap returns the flag that limits the heap of scripts. It is needed where
// processes cannot be watched. The limit is higher than that of a process,
// because watch reports why it killed a page, but a page that exceeds the limit
// of V8 just crashes.
func (m memory) scriptHeap() string {
	return fmt.Sprintf("--max-old-space-size=%d", max(m.page/2*3>>20, 1))
}

// excess returns the processes to kill: pages that exceed their limit or, if
// there are none and all processes together exceed theirs, the largest process.
func (m memory) excess(all []process) (toKill []process) {
	var whole int64
	for _, p := range all {
		if p.kind == "renderer" && p.used > m.page {
			toKill = append(toKill, p)
			continue
		}
		whole += p.used
	}
	if whole > m.whole && len(toKill) == 0 {
		toKill = append(toKill, slices.MaxFunc(all, func(a, b process) int { return int(a.used/1024 - b.used/1024) }))
	}
	return toKill
}

// watch kills processes that use too much memory, until ctx is done.
func (b *browser) watch(ctx context.Context, m memory, log *slog.Logger) {
	timer := time.NewTimer(memoryInterval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for _, p := range m.excess(processTree(b.pid)) {
			log.Warn("browser process killed because it used too much memory", "pid", p.pid, "kind", p.kind, "mib", p.used>>20, "page_mib", m.page>>20, "whole_mib", m.whole>>20)
			if p.kind == "" {
				b.outOfMemory.Store(true)
				b.kill()
				return
			}
			now := time.Now()
			b.lastKill.Store(&now) // before the crash event can arrive
			endProcess(p.pid)
		}
		next := memoryIdleInterval
		if b.tabs.Load() > 0 {
			next = memoryInterval
		}
		timer.Reset(next)
	}
}

// crashEventDelay is the longest time between a kill by watch and the crash
// event.
const crashEventDelay = 5 * time.Second

// crashReason returns the error for a crashed tab. A process can also be killed
// by something other than watch. The status oom is set by the browser itself.
func (b *browser) crashReason(crash target.EventTargetCrashed) error {
	last := b.lastKill.Load()
	if crash.Status == "oom" || crash.Status == "killed" && last != nil && time.Since(*last) < crashEventDelay {
		return errTabMemory
	}
	return errTabCrashed
}
