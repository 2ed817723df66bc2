package listener

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quiet is the shortest time between two log lines about the same event, so that
// no stranger can fill the log.
const quiet = 10 * time.Second

// event is what a Listener logs: the text of the line.
type event string

const (
	acceptFailed event = "connection not accepted"
	evicted      event = "connections at their limit: the one that waited longest for its peer was closed"
	refused      event = "connections at their limit, all being answered: request answered 503"
	slowBody     event = "slow body cut off"
)

// report is the lines about one event.
type report struct {
	mu     sync.Mutex
	logged time.Time
	silent int // since the last line
}

func newReports() map[event]*report {
	return map[event]*report{acceptFailed: {}, evicted: {}, refused: {}, slowBody: {}}
}

// due reports whether a line may be logged now, and how many were left out since
// the last one.
func (r *report) due(now time.Time) (silent int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.logged); !r.logged.IsZero() && age >= 0 && age < quiet {
		r.silent++
		return 0, false
	}
	silent, r.silent, r.logged = r.silent, 0, now
	return silent, true
}

// say logs an event, if a line about it is due. It takes no lock of the Listener.
func (l *Listener) say(what event, key string, value any) {
	silent, due := l.reports[what].due(l.cfg.Now())
	if !due {
		return
	}
	l.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, string(what),
		slog.String("listener", l.cfg.Name), slog.Any(key, value), slog.Int("more_since_last_line", silent))
}
