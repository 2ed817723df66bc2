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

// redisServer is a real redis-server on a unix socket, without anything on
// disk: after a restart it is empty.
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
		s.r.breaks("%v", err)
		return
	}
	s.process = p
}

// restart loses everything that Redis holds, and every connection to it.
func (s *redisServer) restart(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.kill()
	time.Sleep(after)
	s.start()
}

// flush loses everything that Redis holds, and no connection.
func (s *redisServer) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		return // it is just starting, and empty
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, "FLUSHALL\r\nQUIT\r\n"); err != nil {
		return
	}
	if said, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(said), "+OK") {
		s.r.breaks("FLUSHALL: %q, %v", said, err)
	}
}

// pause makes Redis deaf and dumb for a while; connections stay.
func (s *redisServer) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.process.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = s.process.cmd.Process.Signal(syscall.SIGCONT)
}

// mend starts Redis if it does not run.
func (s *redisServer) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.process.running() {
		s.start()
	}
}
