package receiver

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// logInterval is the minimum time between two log lines about the same result, so
// that unknown senders cannot fill the log. The next line contains the number of
// suppressed lines.
const logInterval = 10 * time.Second

// reports counts results and logs those other than Accepted.
type reports struct {
	logger   *slog.Logger
	byResult map[Result]*report // not modified after newReports
}

type report struct {
	total atomic.Uint64

	mu         sync.Mutex
	logged     time.Time
	suppressed int // number of lines since the last logged one
}

func newReports(logger *slog.Logger) *reports {
	r := &reports{logger: logger, byResult: make(map[Result]*report, len(Results))}
	for _, result := range Results {
		r.byResult[result] = &report{}
	}
	return r
}

func (r *reports) count(result Result) { r.byResult[result].total.Add(1) }

func (r *reports) counts() map[Result]uint64 {
	all := make(map[Result]uint64, len(r.byResult))
	for result, report := range r.byResult {
		all[result] = report.total.Load()
	}
	return all
}

func (r *reports) log(ctx context.Context, now time.Time, result Result, remote string, err error) {
	suppressed, due := r.byResult[result].due(now)
	if !due {
		return
	}
	level := slog.LevelWarn
	if result == NotStored {
		level = slog.LevelError
	}
	r.logger.LogAttrs(ctx, level, "webhook not accepted",
		slog.String("result", string(result)),
		slog.Int("status", statuses[result]),
		slog.String("remote", remote),
		slog.Int("more_since_last_line", suppressed),
		slog.Any("error", err))
}

// due reports whether a line should be logged now, and how many were suppressed
// since the last one.
func (r *report) due(now time.Time) (suppressed int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.logged.IsZero() && now.Sub(r.logged) < logInterval {
		r.suppressed++
		return 0, false
	}
	suppressed, r.suppressed, r.logged = r.suppressed, 0, now
	return suppressed, true
}
