package chrome

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// moves knows whether the page is on its way to another one, because a script
// or a click sent it there. Safe for concurrent use.
type moves struct {
	mu      sync.Mutex
	frame   cdp.FrameID   // the page itself, not one inside it
	arrived chan struct{} // nil while the page stays; closed when it is loaded
}

// watch listens until ctx ends.
func (m *moves) watch(ctx context.Context) error { return chromedp.Listen(ctx, m.note) }

// follow names the frame that counts.
func (m *moves) follow(frame cdp.FrameID) {
	m.mu.Lock()
	m.frame = frame
	m.mu.Unlock()
}

func (m *moves) note(ev any) {
	switch ev := ev.(type) {
	case *page.EventFrameRequestedNavigation:
		if ev.Disposition == page.ClientNavigationDispositionCurrentTab {
			m.leaves(ev.FrameID)
		}
	case *page.EventFrameStoppedLoading:
		m.stays(ev.FrameID)
	case *page.EventNavigatedWithinDocument:
		m.stays(ev.FrameID)
	}
}

func (m *moves) leaves(frame cdp.FrameID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if frame == m.frame && m.arrived == nil {
		m.arrived = make(chan struct{})
	}
}

func (m *moves) stays(frame cdp.FrameID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if frame == m.frame && m.arrived != nil {
		close(m.arrived)
		m.arrived = nil
	}
}

// arrival is closed when the page has loaded; nil when it is not leaving.
func (m *moves) arrival() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arrived
}

// nextTask waits in the page until what a click or a script began has been
// handed on: a form, for one, is sent in a task of its own.
const nextTask = `() => new Promise(done => setTimeout(() => setTimeout(done)))`

// arrive waits for the page that a click or a script may have called up, no
// longer than MaxWait.
func (r *run) arrive(ctx context.Context) error {
	if _, err := call[chromedp.Void](ctx, r.target, nextTask); err != nil && !gone(err) {
		return err
	}
	arrived := r.moves.arrival()
	if arrived == nil {
		return nil
	}
	var late <-chan time.Time
	if r.req.MaxWait > 0 {
		timer := time.NewTimer(r.req.MaxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-arrived:
		return nil
	case <-late:
		return send(ctx, r.target, page.StopLoading, cdp.Empty{})
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gone reports whether a page function was cut off because its page left.
func gone(err error) bool {
	var refused *cdproto.Error
	return errors.As(err, &refused) && refused.Code == serverError
}

// serverError is the protocol's code for a command that the browser understood
// and could not carry out.
const serverError = -32000
