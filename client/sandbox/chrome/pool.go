package chrome

import (
	"context"
	"fmt"
	"time"

	"shotline/client/sandbox"
)

const (
	// maxUses is how many pages one tab shows before it is closed: its process
	// grows a little with each.
	maxUses = 100
	// spare is how many more tabs there are than renders at once, so that one
	// can be closed while the next page is drawn in another.
	spare = 1
	// idleTime is how long tabs wait for work. Their pages may move, and even a
	// still one takes memory.
	idleTime = 10 * time.Second
)

// pool holds a place for each tab that may exist: an idle tab, or nil where one
// may be opened.
type pool chan *tab

func newPool(renders int) pool {
	p := make(pool, renders+spare)
	for range cap(p) {
		p <- nil
	}
	return p
}

// takeTab returns a tab for a request, a clean one that was used before or a
// new one in a browser context of its own. Give it back with putTab.
func (r *Renderer) takeTab(ctx context.Context, req sandbox.RenderRequest) (*tab, error) {
	select {
	case t := <-r.pool:
		if t != nil {
			if t.suits(req) && t.renew(ctx) == nil {
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

// putTab takes a tab back after a render. Only one that is known to be as good
// as new is kept; finding out and closing go on after the return.
func (r *Renderer) putTab(t *tab, req sandbox.RenderRequest, failed error) {
	t.uses++
	r.rest.Reset(idleTime)
	r.returning.Go(func() {
		keep := failed == nil && t.uses < maxUses && plain(req)
		if keep {
			t.traces.rest(t.ctx)
		}
		if !keep || t.check(t.ctx) != nil {
			t.close()
			t = nil
		}
		r.pool <- t
	})
}

// openTab opens a tab, once more in a new browser when the old one turns out
// to be dead: nothing was asked of the page yet, so nothing happens twice.
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

// closeIdle closes the tabs that wait for work.
func (r *Renderer) closeIdle() {
	for range cap(r.pool) {
		select {
		case t := <-r.pool:
			if t != nil {
				t.close()
			}
			r.pool <- nil
		default:
			return // the others are in use
		}
	}
}

// closeTabs waits until no tab is in use and closes them all.
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
