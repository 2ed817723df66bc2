package download

import (
	"context"
	"sync"
	"time"
)

// catchUp is for how long the rate may be exceeded after it was not used up.
const catchUp = 100 * time.Millisecond

// pace decides when the next call may be sent: not more often than the rate
// allows, and none during a pause that the vendor requested.
type pace struct {
	clock    Clock
	interval time.Duration // between two calls; 0 if there is no limit

	mu     sync.Mutex
	next   time.Time
	paused time.Time
}

func newPace(clock Clock, perSecond float64) *pace {
	p := &pace{clock: clock}
	if perSecond > 0 {
		p.interval = time.Duration(float64(time.Second) / perSecond)
	}
	return p
}

// wait returns when a call may be sent.
func (p *pace) wait(ctx context.Context) error {
	for {
		now := p.clock.Now()
		p.mu.Lock()
		at := now
		if p.paused.After(now) {
			at = p.paused
			p.mu.Unlock()
		} else {
			if p.interval > 0 {
				if at = p.next; at.Before(now.Add(-catchUp)) {
					at = now.Add(-catchUp)
				}
				p.next = at.Add(p.interval)
			}
			p.mu.Unlock()
			if at.After(now) {
				return p.clock.Sleep(ctx, at.Sub(now))
			}
			return ctx.Err()
		}
		if err := p.clock.Sleep(ctx, at.Sub(now)); err != nil {
			return err
		}
	}
}

// pause sends no call for a time.
func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.clock.Now().Add(d); until.After(p.paused) {
		p.paused = until
	}
}
