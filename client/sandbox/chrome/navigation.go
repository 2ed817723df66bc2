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

// navigation tracks whether the page is navigating to another one because of a
// script or a click. Its methods are safe for concurrent use.
type navigation struct {
	mu     sync.Mutex
	frame  cdp.FrameID   // top frame of the page
	loaded chan struct{} // closed when the new page has loaded; nil if there is no navigation
}

// watch tracks navigations until ctx ends.
func (n *navigation) watch(ctx context.Context) error { return chromedp.Listen(ctx, n.handleEvent) }

// setFrame sets the top frame. Navigations of other frames are ignored.
func (n *navigation) setFrame(frame cdp.FrameID) {
	n.mu.Lock()
	n.frame = frame
	n.mu.Unlock()
}

func (n *navigation) handleEvent(ev any) {
	switch ev := ev.(type) {
	case *page.EventFrameRequestedNavigation:
		if ev.Disposition == page.ClientNavigationDispositionCurrentTab {
			n.started(ev.FrameID)
		}
	case *page.EventFrameStoppedLoading:
		n.finished(ev.FrameID)
	case *page.EventNavigatedWithinDocument:
		n.finished(ev.FrameID)
	}
}

func (n *navigation) started(frame cdp.FrameID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if frame == n.frame && n.loaded == nil {
		n.loaded = make(chan struct{})
	}
}

func (n *navigation) finished(frame cdp.FrameID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if frame == n.frame && n.loaded != nil {
		close(n.loaded)
		n.loaded = nil
	}
}

// pending returns a channel that is closed when the new page has loaded. It
// returns nil if there is no navigation.
func (n *navigation) pending() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.loaded
}

// nextTaskScript waits until a click or a script has started its effects. For
// example, the browser submits a form in a separate task.
const nextTaskScript = `() => new Promise(done => setTimeout(() => setTimeout(done)))`

// waitForNavigation waits until a navigation that a click or a script started has
// ended, for at most MaxWait.
func (r *run) waitForNavigation(ctx context.Context) error {
	if _, err := call[chromedp.Void](ctx, r.target, nextTaskScript); err != nil && !gone(err) {
		return err
	}
	loaded := r.navigation.pending()
	if loaded == nil {
		return nil
	}
	var late <-chan time.Time
	if r.req.MaxWait > 0 {
		timer := time.NewTimer(r.req.MaxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-loaded:
		return nil
	case <-late:
		return send(ctx, r.target, page.StopLoading, cdp.Empty{})
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gone reports whether a page function was interrupted because its page was left.
func gone(err error) bool {
	var refused *cdproto.Error
	return errors.As(err, &refused) && refused.Code == serverError
}

// serverError is the protocol's code for a valid command that failed.
const serverError = -32000
