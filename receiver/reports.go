package receiver

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// quiet is the shortest time between two log lines about the same result, so
// that no stranger can fill the log. What was left out is counted in the next
// line.
const quiet = 10 * time.Second

// reports counts results and logs those that are not Accepted.
type reports struct {
	logger *slog.Logger
	of     map[Result]*report // fixed after newReports
}

type report struct {
	total atomic.Uint64

	mu     sync.Mutex
	logged time.Time
	silent int // since the last line
}

func newReports(logger *slog.Logger) *reports {
	r := &reports{logger: logger, of: make(map[Result]*report, len(Results))}
	for _, result := range Results {
		r.of[result] = &report{}
	}
	return r
}

func (r *reports) count(result Result) { r.of[result].total.Add(1) }

func (r *reports) counts() map[Result]uint64 {
	all := make(map[Result]uint64, len(r.of))
	for result, report := range r.of {
		all[result] = report.total.Load()
	}
	return all
}

func (r *reports) log(ctx context.Context, now time.Time, result Result, remote string, err error) {
	silent, due := r.of[result].due(now)
	if !due {
		return
	}
	level := slog.LevelWarn
	if result == NotKept {
		level = slog.LevelError
	}
	r.logger.LogAttrs(ctx, level, "webhook not accepted",
		slog.String("result", string(result)),
		slog.Int("status", statuses[result]),
		slog.String("remote", remote),
		slog.Int("more_since_last_line", silent),
		slog.Any("error", err))
}

// due reports whether a line may be logged now, and how many were not since
// the last one.
func (r *report) due(now time.Time) (silent int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.logged.IsZero() && now.Sub(r.logged) < quiet {
		r.silent++
		return 0, false
	}
	silent, r.silent, r.logged = r.silent, 0, now
	return silent, true
}
