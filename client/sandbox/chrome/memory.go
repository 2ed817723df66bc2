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

// DefaultPageMemory is the memory that one page may take unless Config says
// otherwise, in bytes.
const DefaultPageMemory = 1 << 30

// How often the memory of the browser's processes is read: while tabs are open,
// and otherwise.
const (
	memoryBeat     = 100 * time.Millisecond
	memoryIdleBeat = time.Second
)

// errTabMemory ends a render whose page took too much memory.
var errTabMemory = errors.New("the page took too much memory")

// process is one of the browser's processes.
type process struct {
	pid  int
	kind string // renderer, gpu-process, utility, …; empty for the browser itself
	used int64  // bytes that nothing but the process keeps in memory
}

// memory bounds what the browser takes. Chromium bounds nothing but the heap of
// a page's scripts: buffers, pictures and documents may fill the machine.
type memory struct {
	page  int64 // that each process of a page may take, in bytes
	whole int64 // that all processes may take together, in bytes
}

// memoryOf is what a configuration allows.
func memoryOf(cfg *Config) memory {
	return memory{page: cfg.PageMemory, whole: cfg.PageMemory * int64(cfg.Tabs+1)}
}

// scriptHeap is the flag that bounds the heap of scripts, for where processes
// cannot be watched. It is larger than what a process may take: the watch tells
// why it ended a page, a page that V8 gives up has just crashed.
func (m memory) scriptHeap() string {
	return fmt.Sprintf("--max-old-space-size=%d", max(m.page/2*3>>20, 1))
}

// excess names the processes to be ended for what the browser takes: pages that
// take more than one may and, if all together take too much, the largest.
func (m memory) excess(all []process) (doomed []process) {
	var whole int64
	for _, p := range all {
		if p.kind == "renderer" && p.used > m.page {
			doomed = append(doomed, p)
			continue
		}
		whole += p.used
	}
	if whole > m.whole && len(doomed) == 0 {
		doomed = append(doomed, slices.MaxFunc(all, func(a, b process) int { return int(a.used/1024 - b.used/1024) }))
	}
	return doomed
}

// watch ends processes that take too much memory, until ctx is done.
func (b *browser) watch(ctx context.Context, m memory, log *slog.Logger) {
	beat := time.NewTimer(memoryBeat)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		for _, p := range m.excess(processTree(b.pid)) {
			log.Warn("browser process ended: it took too much memory", "pid", p.pid, "kind", p.kind, "mib", p.used>>20, "page_mib", m.page>>20, "whole_mib", m.whole>>20)
			if p.kind == "" {
				b.starved.Store(true)
				b.kill()
				return
			}
			now := time.Now()
			b.ended.Store(&now) // before the news of it
			endProcess(p.pid)
		}
		next := memoryIdleBeat
		if b.tabs.Load() > 0 {
			next = memoryBeat
		}
		beat.Reset(next)
	}
}

// crashNews is how long after the watch ended a process the news of it may come.
const crashNews = 5 * time.Second

// crashReason is why a tab crashed. A process may be killed by others than the
// watch, too; oom is the browser's own word.
func (b *browser) crashReason(crash target.EventTargetCrashed) error {
	ended := b.ended.Load()
	if crash.Status == "oom" || crash.Status == "killed" && ended != nil && time.Since(*ended) < crashNews {
		return errTabMemory
	}
	return errTabCrashed
}
