package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// The supervisor's pace. A server is given up after two unanswered probes, so
// that one slow answer costs nothing.
const (
	probeEvery      = 500 * time.Millisecond
	toleratedMisses = 1
	firstBackoff    = 250 * time.Millisecond
	longestBackoff  = 5 * time.Second
)

// stopGrace is what handlers get to return after their context has ended.
const stopGrace = time.Second

// Start begins to run tasks with h and returns at once, whether or not the
// queue server is there. A queue is started once.
func (q *Queue) Start(h Handler) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped || q.supervised != nil {
		return errors.New("start queue: it was started or stopped before")
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.stopSupervisor = cancel
	q.supervised = make(chan struct{})
	s := &supervisor{Queue: q, handler: newDispatcher(q, h), backoff: firstBackoff}
	go s.loop(ctx)
	return nil
}

// supervisor keeps a server running for as long as the queue server is there.
type supervisor struct {
	*Queue
	handler asynq.Handler
	misses  int
	backoff time.Duration
	stuck   string // why tasks are not run, as last logged
}

func (v *supervisor) loop(ctx context.Context) {
	defer close(v.supervised)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(v.step(ctx))
		}
	}
}

// step probes once, starts or gives up what has to be, and returns how long to
// wait before the next step.
func (v *supervisor) step(ctx context.Context) time.Duration {
	s := v.current()
	fresh := s == nil
	if fresh {
		s = newSession(v.connection)
	}
	stuck, err := s.probe(ctx, v.queues()...)
	if err == nil && !s.runs() {
		err = s.run(v.handler, v.configs()...)
		if err == nil {
			v.use(s)
			v.log.Info("queue is running", "queue", v.Describe())
		}
	}
	switch {
	case ctx.Err() != nil: // Stop takes over what is in use
		if fresh && err != nil {
			s.end()
		}
	case err == nil:
		v.misses, v.backoff = 0, firstBackoff
		v.tell(stuck)
	case s.runs() && v.misses < toleratedMisses:
		v.misses++
	default:
		v.giveUp(s, err)
		wait := v.backoff
		v.backoff = min(2*v.backoff, longestBackoff)
		return wait
	}
	return probeEvery
}

// tell logs that tasks are not run, and that they are again.
func (v *supervisor) tell(stuck error) {
	reason := ""
	if stuck != nil {
		reason = oneLine(stuck)
	}
	if reason == v.stuck {
		return
	}
	v.stuck = reason
	if reason == "" {
		v.log.Info("queue is in order again", "queue", v.Describe())
	} else {
		v.log.Warn("queue runs no tasks", "queue", v.Describe(), "reason", reason)
	}
}

// giveUp ends a session beside the supervisor, since its handlers may take a
// while to finish.
func (v *supervisor) giveUp(s *session, err error) {
	if v.lose(err) {
		v.log.Warn("queue server takes no tasks; trying again until it does", "queue", v.Describe(), "error", err)
	}
	v.abandoned.Go(s.abandon)
}

// queues are the names of asynq's queues.
func (q *Queue) queues() []string { return []string{q.name, q.callbackQueue()} }

// configs are those of the servers, each of which has its own handlers' slots.
func (q *Queue) configs() []asynq.Config {
	if q.callbacks == nil {
		return []asynq.Config{q.config()}
	}
	return []asynq.Config{q.config(), q.callbackConfig()}
}

func (q *Queue) config() asynq.Config {
	return asynq.Config{
		Concurrency:              q.concurrency,
		Queues:                   map[string]int{q.name: 1},
		BaseContext:              func() context.Context { return q.handling },
		TaskCheckInterval:        taskCheckEvery,
		DelayedTaskCheckInterval: delayedCheckEvery,
		RetryDelayFunc:           q.retryDelay,
		IsFailure:                q.isFailure,
		ShutdownTimeout:          longestHandover,
		Logger:                   newAsynqLog(q.log),
		LogLevel:                 asynq.InfoLevel,
	}
}

// Stop takes no more tasks and waits for running handlers. When ctx ends
// first, their contexts are canceled and their tasks go back to the queue. It
// fails only when handlers have not returned even then. Repeated calls return
// what the first one did.
func (q *Queue) Stop(ctx context.Context) error {
	q.stopOnce.Do(func() { q.stopErr = q.stop(ctx) })
	return q.stopErr
}

func (q *Queue) stop(ctx context.Context) error {
	q.mu.Lock()
	q.stopped = true
	supervised := q.supervised
	q.mu.Unlock()
	if supervised != nil {
		q.stopSupervisor()
		<-supervised
	}
	last := q.current()
	q.use(nil)

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if last != nil {
			last.shutdown()
			if q.own && q.embedded == nil {
				last.remove(q.queues()...)
			}
			last.end()
		}
		q.abandoned.Wait()
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		q.running.Wait()
	}()

	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		q.cancelHandlers()
		if !within(stopGrace, ended) {
			if last != nil {
				last.line.cut()
			}
			if !within(stopGrace, ended) {
				err = fmt.Errorf("stop queue: handlers did not return: %w", ctx.Err())
			}
		}
	}
	q.cancelHandlers()
	if q.embedded != nil {
		q.embedded.close()
	}
	return err
}

// within waits for done, but no longer than d.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
