package tasks

import (
	"context"
	"sync"
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

// session is one connection to the queue server, and what lives on it. It is
// given up when the server is lost, and another one is made.
type session struct {
	line    *line
	redis   redis.UniversalClient
	client  *asynq.Client
	servers []*asynq.Server // none until run; of the supervisor, later of Stop
}

func newSession(c connection) *session {
	s := &session{line: newLine()}
	s.redis = c.client(s.line)
	s.redis.AddHook(pace{s.line.isCut})
	s.client = asynq.NewClientFromRedisClient(s.redis)
	return s
}

// probe asks whether the server can take tasks, and registers the queues: a
// server that was flushed or came back empty does not know them, and asynq's
// client registers each only once. stuck is why tasks are not run although they
// can be enqueued.
func (s *session) probe(ctx context.Context, queues ...string) (stuck, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	names := make([]any, len(queues))
	for i, name := range queues {
		names[i] = name
	}
	found, err := s.redis.Eval(ctx, look, []string{queuesKey}, names...).StringSlice()
	if err != nil {
		return nil, err
	}
	return judge(queues, found), nil
}

// run starts taking tasks: a server for each config, or none.
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

// shutdown ends the servers at the same time and waits for their handlers.
func (s *session) shutdown() {
	var ending sync.WaitGroup
	for _, server := range s.servers {
		ending.Go(server.Shutdown)
	}
	ending.Wait()
	s.servers = nil
}

// remove deletes queues with all that is in them. What fails stays behind and
// harms nobody: no server asks for it.
func (s *session) remove(queues ...string) {
	inspector := asynq.NewInspectorFromRedisClient(s.redis)
	for _, name := range queues {
		_ = inspector.DeleteQueue(name, true)
	}
}

// end stops taking tasks, waits for handlers and says goodbye to Redis. What
// closing the client could fail with tells nothing new.
func (s *session) end() {
	s.shutdown()
	_ = s.redis.Close()
}

// abandon ends a session whose server is lost: its connections are cut first,
// so that nothing waits for an answer. Handlers may finish.
func (s *session) abandon() {
	s.line.cut()
	s.end()
}
