package torture

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// redisServer is a redis-server on a Unix socket. It stores nothing on disk, so
// it is empty after a restart.
type redisServer struct {
	r      *rig
	socket string

	mu      sync.Mutex
	process *process
}

func newRedis(r *rig) *redisServer {
	s := &redisServer{r: r, socket: filepath.Join(r.folder, "redis")}
	s.start()
	return s
}

func (s *redisServer) url() string { return "redis-socket://" + s.socket }

func (s *redisServer) start() {
	p, err := s.r.start("redis", nil, nil, "redis-server", "--port", "0", "--unixsocket", s.socket,
		"--save", "", "--appendonly", "no", "--dir", s.r.folder)
	if err != nil {
		s.r.fail("%v", err)
		return
	}
	s.process = p
}

// restart deletes all data of Redis and closes all connections.
func (s *redisServer) restart(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.kill()
	time.Sleep(after)
	s.start()
}

// flush deletes all data of Redis. The connections stay open.
func (s *redisServer) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		return // it is starting, and empty
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, "FLUSHALL\r\nQUIT\r\n"); err != nil {
		return
	}
	if response, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(response), "+OK") {
		s.r.fail("FLUSHALL: %q, %v", response, err)
	}
}

// pause stops Redis for a while. The connections stay open.
func (s *redisServer) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.process.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = s.process.cmd.Process.Signal(syscall.SIGCONT)
}

// ensureRunning starts Redis if it is not running.
func (s *redisServer) ensureRunning() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.process.running() {
		s.start()
	}
}
