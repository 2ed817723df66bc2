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

// groupLimit caps the operations of one transaction, so that the first to come
// does not wait long for the last.
const groupLimit = 512

var errClosed = errors.New("database is closed")

// The life of an operation. It is begun only when its transaction has the
// write lock; until then its caller may give up, and then it never happens.
const (
	opWaiting int32 = iota
	opBegun
	opAbandoned
)

// operation is one step that a caller waits for.
type operation struct {
	run   func(*tx) error
	alone bool // gets a transaction of its own
	state atomic.Int32
	done  chan error // buffered, so that the writer never waits for a caller

	// A delivery is appended instead of anything run, without a savepoint: when
	// that fails, its group fails. The place is set before done is.
	delivery *jobs.Delivery
	place    int64
}

func newOperation(run func(*tx) error) *operation {
	return &operation{run: run, done: make(chan error, 1)}
}

// writer owns the one connection that writes. Nothing of a caller's context
// reaches the connection: a canceled statement would roll back what others
// share with it.
type writer struct {
	ops  chan *operation
	quit chan struct{} // closed by stop
	dead chan struct{} // closed when the goroutine has ended
	once sync.Once
	*connection

	operations, failures atomic.Int64
	groups               [groupClasses]atomic.Int64 // transactions by the class of their size
}

func startWriter(conn *sql.Conn, s *Store) *writer {
	w := &writer{
		ops:        make(chan *operation, 2*groupLimit),
		quit:       make(chan struct{}),
		dead:       make(chan struct{}),
		connection: newConnection(conn, s),
	}
	go w.loop()
	return w
}

// stop lets the writer finish what waits. Its connection is still to be closed.
func (w *writer) stop() {
	w.once.Do(func() { close(w.quit) })
	<-w.dead
}

// do hands op in and waits for its commit. An operation that has begun is
// waited for whatever the context says, so that the answer is the truth; only
// an append's caller leaves at once, since the contract lets it.
func (w *writer) do(ctx context.Context, op *operation) error {
	if err := ctx.Err(); err != nil {
		return gaveUp(err)
	}
	select {
	case w.ops <- op:
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return gaveUp(ctx.Err())
	}
	select {
	case err := <-op.done:
		return err
	case <-w.dead:
		return op.answerOr(errClosed)
	case <-ctx.Done():
	}
	if op.delivery != nil || op.state.CompareAndSwap(opWaiting, opAbandoned) {
		return op.answerOr(gaveUp(ctx.Err()))
	}
	select {
	case err := <-op.done:
		return err
	case <-w.dead:
		return op.answerOr(errClosed)
	}
}

// answerOr prefers an answer that is there already.
func (op *operation) answerOr(err error) error {
	select {
	case answer := <-op.done:
		return answer
	default:
		return err
	}
}

// gaveUp turns the end of a wait into the contract's word. A caller that was
// canceled did not find the store unavailable.
func gaveUp(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: not written in time: %w", jobs.ErrUnavailable, err)
	}
	return err
}

func (w *writer) loop() {
	defer close(w.dead)
	group := make([]*operation, 0, groupLimit)
	for {
		op := w.next()
		if op == nil {
			return
		}
		var loner *operation
		group = append(group[:0], op)
		if !op.alone {
			group, loner = w.gather(group)
		}
		w.commit(group)
		if loner != nil {
			w.commit([]*operation{loner})
		}
	}
}

// next waits for an operation; nil after stop, once nothing waits any more.
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

// gatherPasses bounds how often others are let run before a group begins: on a
// busy machine each time takes a while.
const gatherPasses = 4

// gather adds what waits to a group, and what comes while others who can run are
// let run: they may be on their way here. It ends at an operation that wants to
// be alone, which comes right after the group.
func (w *writer) gather(group []*operation) (_ []*operation, loner *operation) {
	for pass, grown := 0, true; grown && pass < gatherPasses; pass++ {
		runtime.Gosched()
		grown = false
		for len(w.ops) > 0 && len(group) < groupLimit {
			op := <-w.ops // nobody else takes from it
			if op.alone {
				return group, op
			}
			group, grown = append(group, op), true
		}
	}
	return group, nil
}

// commit runs a group in one transaction and answers everybody. When the
// transaction fails nothing of it has happened, and every operation gets the
// error: none is tried again behind its caller's back.
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
		err = w.seal()
	}
	if err != nil {
		// SQLite may have rolled back by itself; then there is nothing to do.
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

// seal makes a transaction last.
func (w *writer) seal() error {
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

// runAll runs a group's operations. An error that belongs to one of them alone
// is put into errs, and that one undone by its savepoint; an error returned
// fails the transaction.
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

// write runs one operation; it may share its transaction with others.
func (s *Store) write(ctx context.Context, run func(*tx) error) error {
	return s.damage.verdict(ctx, s.writer.do(ctx, newOperation(run)))
}

// writeAlone runs one operation in a transaction of its own: for steps that
// touch many rows, and those whose failure says something about the data.
func (s *Store) writeAlone(ctx context.Context, run func(*tx) error) error {
	op := newOperation(run)
	op.alone = true
	return s.damage.verdict(ctx, s.writer.do(ctx, op))
}
