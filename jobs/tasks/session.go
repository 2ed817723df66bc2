package tasks

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// How often asynq looks for work; it polls. These keep the wait for a new task
// near 0.2 s and that for a due one below 1 s, at about a hundredth of a core
// while idle.
const (
	taskCheckEvery    = 200 * time.Millisecond
	delayedCheckEvery = time.Second
)

// longestHandover is how long a server that is shut down waits for its
// handlers. It is also the length of asynq's leases: after it another process
// may take over a task whose server cannot reach Redis.
const longestHandover = 30 * time.Second

// queuesKey is where asynq keeps the names of the queues there are.
const queuesKey = "asynq:queues"

// session is one connection to the queue server, and what lives on it. It is
// given up when the server is lost, and another one is made.
type session struct {
	line   line
	redis  redis.UniversalClient
	client atomic.Pointer[asynq.Client]
	server *asynq.Server // nil until run; of the supervisor, later of Stop
}

func newSession(c connection) *session {
	s := new(session)
	s.redis = c.client(&s.line)
	s.client.Store(asynq.NewClientFromRedisClient(s.redis))
	return s
}

// probe asks the server whether it is there and knows the queue. One that was
// flushed or came back empty does not, while the client believes to have
// registered it: a new client registers it again.
func (s *session) probe(ctx context.Context, queue string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	known, err := s.redis.SIsMember(ctx, queuesKey, queue).Result()
	if err == nil && !known {
		s.client.Store(asynq.NewClientFromRedisClient(s.redis))
	}
	return err
}

// run starts taking tasks.
func (s *session) run(config asynq.Config, handler asynq.Handler) error {
	server := asynq.NewServerFromRedisClient(s.redis, config)
	if err := server.Start(handler); err != nil {
		return err
	}
	s.server = server
	return nil
}

// end stops taking tasks, waits for handlers and says goodbye to Redis. What
// closing the client could fail with tells nothing new.
func (s *session) end() {
	if s.server != nil {
		s.server.Shutdown()
	}
	_ = s.redis.Close()
}

// abandon ends a session whose server is lost: its connections are cut first,
// so that nothing waits for an answer. Handlers may finish.
func (s *session) abandon() {
	s.line.cut()
	s.end()
}
