package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// The intervals of the supervisor. A session is abandoned after two failed probes
// in a row, so that one slow response has no effect.
const (
	probeEvery     = 500 * time.Millisecond
	allowedMisses  = 1
	firstBackoff   = 250 * time.Millisecond
	longestBackoff = 5 * time.Second
)

// stopGrace is how long handlers have to return after their context has ended.
const stopGrace = time.Second

// Start begins to run tasks with h. It returns immediately, even if the queue
// server is not available. A queue can be started only once.
func (q *Queue) Start(h Handler) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped || q.supervised != nil {
		return errors.New("start queue: it has already been started or stopped")
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.stopSupervisor = cancel
	q.supervised = make(chan struct{})
	s := &supervisor{Queue: q, handler: newDispatcher(q, h), backoff: firstBackoff}
	go s.loop(ctx)
	return nil
}

// supervisor keeps asynq servers running while the queue server is available.
type supervisor struct {
	*Queue
	handler asynq.Handler
	misses  int
	backoff time.Duration
	stuck   string // last logged reason why tasks are not run
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

// step probes once. Depending on the result it starts servers or abandons the
// session. It returns how long to wait before the next step.
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
			v.setSession(s)
			v.log.Info("queue is running", "queue", v.Describe())
		}
	}
	switch {
	case ctx.Err() != nil: // Stop ends the current session
		if fresh && err != nil {
			s.end()
		}
	case err == nil:
		v.misses, v.backoff = 0, firstBackoff
		v.logStuck(stuck)
	case s.runs() && v.misses < allowedMisses:
		v.misses++
	default:
		v.abandonSession(s, err)
		wait := v.backoff
		v.backoff = min(2*v.backoff, longestBackoff)
		return wait
	}
	return probeEvery
}

// logStuck logs that tasks are not run, or that they are run again. It logs only
// changes.
func (v *supervisor) logStuck(stuck error) {
	reason := ""
	if stuck != nil {
		reason = oneLine(stuck)
	}
	if reason == v.stuck {
		return
	}
	v.stuck = reason
	if reason == "" {
		v.log.Info("queue runs tasks again", "queue", v.Describe())
	} else {
		v.log.Warn("queue does not run tasks", "queue", v.Describe(), "reason", reason)
	}
}

// abandonSession abandons a session in the background, because its handlers might
// need some time to finish.
func (v *supervisor) abandonSession(s *session, err error) {
	if v.loseSession(err) {
		v.log.Warn("queue server does not accept tasks; retrying", "queue", v.Describe(), "error", err)
	}
	v.abandoned.Go(s.abandon)
}

// queues returns the names of asynq's queues.
func (q *Queue) queues() []string { return []string{q.name, q.callbackQueue()} }

// configs returns the configurations of the servers. Each server has its own
// slots for handlers.
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
		ShutdownTimeout:          shutdownTimeout,
		Logger:                   newAsynqLog(q.log),
		LogLevel:                 asynq.InfoLevel,
	}
}

// Stop stops taking tasks and waits for running handlers. If ctx ends first, it
// cancels their contexts and their tasks return to the queue. It fails only if
// handlers have still not returned after that. Repeated calls return the result
// of the first one.
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
	q.setSession(nil)

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
				last.conns.closeAll()
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

// within waits for done for at most d and reports whether it was closed.
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
