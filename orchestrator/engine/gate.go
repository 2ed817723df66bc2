package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrStopped is the error of calls after Drain or Stop, and of waits that Drain
// ended.
var ErrStopped = errors.New("the engine is stopped")

// gate admits calls until it is shut. It can end the admitted calls and wait for
// them.
type gate struct {
	mu     sync.Mutex
	isShut bool
	inside sync.WaitGroup
	open   context.Context // its end cancels the admitted calls
	cancel context.CancelFunc
}

func newGate() *gate {
	g := &gate{}
	g.open, g.cancel = context.WithCancel(context.Background())
	return g
}

// enter admits a call and reports whether it did. If it did, the caller must call
// inside.Done.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isShut {
		g.inside.Add(1)
	}
	return !g.isShut
}

// shut makes enter refuse all later calls.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = true
}

// clear cancels the context of the admitted calls.
func (g *gate) clear() { g.cancel() }

// wait waits until all admitted calls have returned.
func (g *gate) wait() { g.inside.Wait() }

func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isShut
}

// within runs a call that ends with the gate. It returns ErrStopped if the gate
// is shut.
func within[T any](ctx context.Context, g *gate, call func(context.Context) (T, error)) (T, error) {
	if !g.enter() {
		var none T
		return none, ErrStopped
	}
	defer g.inside.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.open, cancel)()
	result, err := call(ctx)
	if err != nil && g.closed() {
		err = fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return result, err
}
