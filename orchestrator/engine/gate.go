package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrStopped is why nothing more is taken, and why a wait has ended.
var ErrStopped = errors.New("the engine is stopped")

// gate lets calls in until it is shut.
type gate struct {
	mu     sync.Mutex
	isShut bool
	inside sync.WaitGroup
	open   context.Context // of the calls inside
	cancel context.CancelFunc
}

func newGate() *gate {
	g := &gate{}
	g.open, g.cancel = context.WithCancel(context.Background())
	return g
}

// enter counts a call in, unless the gate is shut.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isShut {
		g.inside.Add(1)
	}
	return !g.isShut
}

// shut lets nobody in any more.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = true
}

// clear tells the calls inside to end.
func (g *gate) clear() { g.cancel() }

// wait returns when nobody is inside.
func (g *gate) wait() { g.inside.Wait() }

func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isShut
}

// within makes a call, which fails with ErrStopped when the gate is shut.
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
