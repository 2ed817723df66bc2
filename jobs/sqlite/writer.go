package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"shotline/jobs"
)

// groupLimit limits the number of operations in one transaction, so that the
// first operation does not wait long for the last.
const groupLimit = 512

var errClosed = errors.New("database is closed")

// The states of an operation. It begins only when its transaction has the write
// lock. Before that, its caller can abandon it, and then it never runs.
const (
	opWaiting int32 = iota
	opBegun
	opAbandoned
)

// operation is one step whose caller waits for its result.
type operation struct {
	run   func(*tx) error
	alone bool // needs its own transaction
	state atomic.Int32
	done  chan error // buffered, so that the writer never waits for a caller

	// If delivery is set, it is appended to the inbox and run is not called. It has
	// no savepoint: if appending fails, the whole group fails. place is set before
	// a value is sent to done.
	delivery *jobs.Delivery
	place    int64
}

func newOperation(run func(*tx) error) *operation {
	return &operation{run: run, done: make(chan error, 1)}
}

// writer owns the only connection that writes. The connection never sees the
// context of a caller, because a canceled statement would roll back the
// operations that share its transaction.
type writer struct {
	ops   chan *operation
	quit  chan struct{} // closed by stop
	ended chan struct{} // closed when the goroutine has ended
	once  sync.Once
	*connection

	operations, failures atomic.Int64
	groups               [groupClasses]atomic.Int64 // number of transactions by groupClass
}

func startWriter(conn *sql.Conn, s *Store) *writer {
	w := &writer{
		ops:        make(chan *operation, 2*groupLimit),
		quit:       make(chan struct{}),
		ended:      make(chan struct{}),
		connection: newConnection(conn, s),
	}
	go w.loop()
	return w
}

// stop waits until the writer has run all waiting operations. It does not close
// the connection.
func (w *writer) stop() {
	w.once.Do(func() { close(w.quit) })
	<-w.ended
}

// do submits op and waits for its commit. If op has begun, do waits for the
// result even if ctx ends, so that it never returns an error for a step that
// takes effect. An append is the exception: do returns as soon as ctx ends, as
// the contract allows.
func (w *writer) do(ctx context.Context, op *operation) error {
	if err := ctx.Err(); err != nil {
		return waitError(err)
	}
	select {
	case w.ops <- op:
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return waitError(ctx.Err())
	}
	select {
	case err := <-op.done:
		return err
	case <-w.ended:
		return op.resultOr(errClosed)
	case <-ctx.Done():
	}
	if op.delivery != nil || op.state.CompareAndSwap(opWaiting, opAbandoned) {
		return op.resultOr(waitError(ctx.Err()))
	}
	select {
	case err := <-op.done:
		return err
	case <-w.ended:
		return op.resultOr(errClosed)
	}
}

// resultOr returns the result of the operation if it has arrived, otherwise err.
func (op *operation) resultOr(err error) error {
	select {
	case result := <-op.done:
		return result
	default:
		return err
	}
}

// waitError converts the error of a context to an error of the contract. If the
// caller canceled the context, that does not mean that the store is unavailable.
func waitError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: not written in time: %w", jobs.ErrUnavailable, err)
	}
	return err
}

func (w *writer) loop() {
	defer close(w.ended)
	group := make([]*operation, 0, groupLimit)
	for {
		op := w.next()
		if op == nil {
			return
		}
		var alone *operation
		group = append(group[:0], op)
		if !op.alone {
			group, alone = w.gather(group)
		}
		w.commit(group)
		if alone != nil {
			w.commit([]*operation{alone})
		}
	}
}

// next waits for an operation. After stop it returns nil when no operation is
// waiting.
func (w *writer) next() *operation {
	select {
	case op := <-w.ops:
		return op
	case <-w.quit:
	}
	select {
	case op := <-w.ops:
		return op
	default:
		return nil
	}
}

// gatherPasses limits how often gather yields to other goroutines before a group
// begins. On a busy machine each time takes a while.
const gatherPasses = 4

// gather adds the waiting operations to a group. It yields to other runnable
// goroutines, since they might be about to submit an operation, and adds these
// operations too. It stops at an operation that needs its own transaction, which
// runs right after the group.
func (w *writer) gather(group []*operation) (_ []*operation, alone *operation) {
	for pass, grown := 0, true; grown && pass < gatherPasses; pass++ {
		runtime.Gosched()
		grown = false
		for len(w.ops) > 0 && len(group) < groupLimit {
			op := <-w.ops // does not block: only this goroutine receives from ops
			if op.alone {
				return group, op
			}
			group, grown = append(group, op), true
		}
	}
	return group, nil
}

// commit runs a group in one transaction and sends the results to all callers. If
// the transaction fails, nothing has changed and every operation gets the error.
// commit does not repeat an operation, because its caller would not know.
func (w *writer) commit(group []*operation) {
	err := w.ready()
	if err == nil {
		err = w.trouble(w.begin())
	}
	if err != nil {
		w.failures.Add(1)
		for _, op := range group {
			op.done <- explain(err)
		}
		return
	}
	begun := slices.DeleteFunc(group, func(op *operation) bool {
		return !op.state.CompareAndSwap(opWaiting, opBegun)
	})
	errs := make([]error, len(begun))
	err = w.runAll(begun, errs)
	if err == nil {
		err = w.commitTx()
	}
	if err != nil {
		// If SQLite has rolled back already, this fails without an effect.
		_ = w.tx.control("ROLLBACK")
		if broken(err) {
			w.failures.Add(1)
		}
		err = explain(w.trouble(err))
		if len(begun) > 1 && !broken(err) {
			err = fmt.Errorf("%w: another step of its transaction failed: %w", jobs.ErrUnavailable, err)
		}
		for _, op := range begun {
			op.done <- err
		}
		return
	}
	w.groups[groupClass(len(begun))].Add(1)
	w.operations.Add(int64(len(begun)))
	for i, op := range begun {
		op.done <- errs[i]
	}
	w.moveLog()
}

// commitTx commits the transaction.
func (w *writer) commitTx() error {
	hook := w.store.commitHook
	if hook == nil {
		return w.tx.control("COMMIT")
	}
	if err := hook(false); err != nil {
		return err
	}
	err := w.tx.control("COMMIT")
	if err == nil {
		err = hook(true)
	}
	return err
}

// runAll runs the operations of a group. If an error concerns only one operation,
// runAll stores it in errs and undoes this operation with its savepoint. An error
// that runAll returns fails the whole transaction.
func (w *writer) runAll(group []*operation, errs []error) error {
	for i := 0; i < len(group); i++ {
		op := group[i]
		if op.delivery != nil {
			last := i + 1
			for last < len(group) && group[last].delivery != nil {
				last++
			}
			admitted, err := w.tx.admit(group[i:last], errs[i:last])
			if err == nil {
				err = w.tx.append(admitted)
			}
			if err != nil {
				return err
			}
			i = last - 1
			continue
		}
		if len(group) == 1 {
			return op.run(w.tx)
		}
		if err := w.tx.control("SAVEPOINT op"); err != nil {
			return err
		}
		if errs[i] = op.run(w.tx); errs[i] != nil {
			if broken(errs[i]) {
				return errs[i]
			}
			if err := w.tx.control("ROLLBACK TO op"); err != nil {
				return err
			}
		}
		if err := w.tx.control("RELEASE op"); err != nil {
			return err
		}
	}
	return nil
}

// write runs one operation, which can share its transaction with others.
func (s *Store) write(ctx context.Context, run func(*tx) error) error {
	return s.damage.verdict(ctx, s.writer.do(ctx, newOperation(run)))
}

// writeAlone runs one operation in its own transaction. It is for steps that
// change many rows, and for steps whose failure depends on the data.
func (s *Store) writeAlone(ctx context.Context, run func(*tx) error) error {
	op := newOperation(run)
	op.alone = true
	return s.damage.verdict(ctx, s.writer.do(ctx, op))
}
