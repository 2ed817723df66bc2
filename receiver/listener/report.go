package listener

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logInterval is the minimum time between two log lines about the same event, so
// that unknown senders cannot fill the log.
const logInterval = 10 * time.Second

// event is an event that a Listener logs. Its value is the log message.
type event string

const (
	acceptFailed event = "connection not accepted"
	evicted      event = "connection limit reached: closed the connection that waited longest for its peer"
	refused      event = "connection limit reached, all connections being answered: request answered 503"
	slowBody     event = "slow body cut off"
)

// report limits the log lines about one event.
type report struct {
	mu         sync.Mutex
	logged     time.Time
	suppressed int // number of lines since the last logged one
}

func newReports() map[event]*report {
	return map[event]*report{acceptFailed: {}, evicted: {}, refused: {}, slowBody: {}}
}

// due reports whether a line should be logged now, and how many were suppressed
// since the last one.
func (r *report) due(now time.Time) (suppressed int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.logged); !r.logged.IsZero() && age >= 0 && age < logInterval {
		r.suppressed++
		return 0, false
	}
	suppressed, r.suppressed, r.logged = r.suppressed, 0, now
	return suppressed, true
}

// log logs an event if a line about it is due. It does not acquire the lock of
// the Listener.
func (l *Listener) log(e event, key string, value any) {
	suppressed, due := l.reports[e].due(l.cfg.Now())
	if !due {
		return
	}
	l.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, string(e),
		slog.String("listener", l.cfg.Name), slog.Any(key, value), slog.Int("more_since_last_line", suppressed))
}
