package chrome

import (
	"context"
	"fmt"
	"time"

	"shotline/client/sandbox"
)

const (
	// maxUses is how many pages a tab shows before it is closed. Its process grows
	// a little with each page.
	maxUses = 100
	// spareTabs is how many tabs exist in addition to one per render. While one tab
	// is closing, the next page can be rendered in another.
	spareTabs = 1
	// idleTime is how long tabs stay open without work. Their pages might be
	// animated, and even a static page takes memory.
	idleTime = 10 * time.Second
)

// pool holds one entry per tab that may exist: an idle tab, or nil if a new tab
// may be opened.
type pool chan *tab

func newPool(renders int) pool {
	p := make(pool, renders+spareTabs)
	for range cap(p) {
		p <- nil
	}
	return p
}

// takeTab returns a tab for a request: a clean tab that was used before, or a new
// one in its own browser context. The caller must return it with putTab.
func (r *Renderer) takeTab(ctx context.Context, req sandbox.RenderRequest) (*tab, error) {
	select {
	case t := <-r.pool:
		if t != nil {
			if t.canServe(req) && t.prepare(ctx) == nil {
				return t, nil
			}
			t.close()
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free tab: %w", ctx.Err())
	}
	t, err := r.openTab(req)
	if err != nil {
		r.pool <- nil
		return nil, err
	}
	return t, nil
}

// putTab returns a tab after a render. The tab is kept only if it is as good as
// new. The check and the closing continue after putTab returns.
func (r *Renderer) putTab(t *tab, req sandbox.RenderRequest, failed error) {
	t.uses++
	r.idleTimer.Reset(idleTime)
	r.returning.Go(func() {
		keep := failed == nil && t.uses < maxUses && leavesNoTraces(req)
		if keep {
			t.traces.awaitRequests(t.ctx)
		}
		if !keep || t.checkClean(t.ctx) != nil {
			t.close()
			t = nil
		}
		r.pool <- t
	})
}

// openTab opens a tab. If the browser turns out to be dead, it starts a new one
// and tries once more. Nothing has been requested from the page at this point, so
// nothing happens twice.
func (r *Renderer) openTab(req sandbox.RenderRequest) (*tab, error) {
	for first := true; ; first = false {
		b, err := r.browser()
		if err != nil {
			return nil, err
		}
		t, err := openTab(b, &r.cfg)
		if err == nil {
			t.strict = req.StrictSSL
			return t, nil
		}
		if !first || !b.dead() {
			return nil, fmt.Errorf("open a tab: %w", err)
		}
	}
}

// closeIdle closes the idle tabs.
func (r *Renderer) closeIdle() {
	for range cap(r.pool) {
		select {
		case t := <-r.pool:
			if t != nil {
				t.close()
			}
			r.pool <- nil
		default:
			return // the other tabs are in use
		}
	}
}

// closeTabs waits until no tab is in use and closes all of them.
func (r *Renderer) closeTabs() {
	r.returning.Wait()
	for range cap(r.pool) {
		if t := <-r.pool; t != nil {
			t.close()
		}
	}
	for range cap(r.pool) {
		r.pool <- nil
	}
}
