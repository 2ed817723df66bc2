package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// The intervals at which asynq polls for work. A new task waits about 0.2 s, and
// a due task less than 1 s. While idle, polling costs about 1 % of a core.
const (
	taskCheckEvery    = 200 * time.Millisecond
	delayedCheckEvery = time.Second
)

// shutdownTimeout is how long a server waits for its handlers during shutdown. It
// equals the length of asynq's leases: after it, another process might take over
// a task whose server cannot reach Redis.
const shutdownTimeout = 30 * time.Second

// session is a set of connections to the queue server with the client and the
// servers that use them. When the server is lost, the session is abandoned and a
// new one is created.
type session struct {
	conns   *connGroup
	redis   redis.UniversalClient
	client  *asynq.Client
	servers []*asynq.Server // empty before run; used by the supervisor, later by Stop
}

func newSession(c connection) *session {
	s := &session{conns: newConnGroup()}
	s.redis = c.client(s.conns)
	s.redis.AddHook(pace{s.conns.closed})
	s.client = asynq.NewClientFromRedisClient(s.redis)
	return s
}

// probe checks whether the server accepts tasks, and registers the queues. A
// server without data, for example after a flush, does not know the queues, and
// asynq's client registers each queue only once. The result stuck is the reason
// why tasks are not run although they can be enqueued.
func (s *session) probe(ctx context.Context, queues ...string) (stuck, err error) {
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	names := make([]any, len(queues))
	for i, name := range queues {
		names[i] = name
	}
	found, err := s.redis.Eval(ctx, inspectScript, []string{queuesKey}, names...).StringSlice()
	if err != nil {
		return nil, err
	}
	return diagnose(queues, found), nil
}

// run starts a server for each config. If one fails, it stops the others.
func (s *session) run(handler asynq.Handler, configs ...asynq.Config) error {
	for _, config := range configs {
		server := asynq.NewServerFromRedisClient(s.redis, config)
		if err := server.Start(handler); err != nil {
			s.shutdown()
			return err
		}
		s.servers = append(s.servers, server)
	}
	return nil
}

func (s *session) runs() bool { return len(s.servers) > 0 }

// shutdown shuts down the servers at the same time and waits for their handlers.
func (s *session) shutdown() {
	var ending sync.WaitGroup
	for _, server := range s.servers {
		ending.Go(server.Shutdown)
	}
	ending.Wait()
	s.servers = nil
}

// remove deletes queues with all their tasks. Errors are ignored: a remaining
// queue does no harm, because no server uses it.
func (s *session) remove(queues ...string) {
	inspector := asynq.NewInspectorFromRedisClient(s.redis)
	for _, name := range queues {
		_ = inspector.DeleteQueue(name, true)
	}
}

// end stops taking tasks, waits for handlers and closes the client. The error of
// closing is ignored, because it adds no information.
func (s *session) end() {
	s.shutdown()
	_ = s.redis.Close()
}

// abandon ends a session whose server is lost. It closes the connections first,
// so that nothing waits for a response. Handlers can finish.
func (s *session) abandon() {
	s.conns.closeAll()
	s.end()
}
