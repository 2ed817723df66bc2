package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// traceKept is the number of lines at the end of a trace that are kept for a
// report.
const traceKept = 400

// trace is a log of a run. Its hash shows whether two runs of a seed were the
// same. It is safe for concurrent use.
type trace struct {
	began time.Time
	dir   string // not in the trace, because its name is random

	mu   sync.Mutex
	sum  hash.Hash
	tail []string
	all  bool // keep every line
}

func newTrace(all bool, dir string) *trace {
	return &trace{began: time.Now(), dir: dir, sum: sha256.New(), all: all}
}

func (t *trace) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("%10.3f  %s", time.Since(t.began).Seconds(), strings.ReplaceAll(fmt.Sprintf(format, args...), t.dir, ""))
	fmt.Fprintln(t.sum, line)
	if t.tail = append(t.tail, line); !t.all && len(t.tail) > 2*traceKept {
		t.tail = append(t.tail[:0], t.tail[traceKept:]...)
	}
}

func (t *trace) hash() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return hex.EncodeToString(t.sum.Sum(nil)[:8])
}

func (t *trace) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.tail...)
}

// traceLog writes a process's log into the trace.
type traceLog struct {
	t    *trace
	from string
	with string
}

func (l traceLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l traceLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	l.t.add("    %s %s: %s%s%s", l.from, r.Level, r.Message, l.with, b.String())
	return nil
}

func (l traceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l.with += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return l
}

func (l traceLog) WithGroup(string) slog.Handler { return l }
