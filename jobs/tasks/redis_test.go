package tasks

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a real redis-server of one test, on a unix socket, without
// anything on disk: after a restart it is empty.
type redisServer struct {
	t       *testing.T
	program string
	socket  string
	process *exec.Cmd // nil while it does not run
}

func newRedis(t *testing.T) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs redis-server: not found in PATH")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, program: program, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		if r.process != nil {
			r.kill()
		}
		_ = os.RemoveAll(dir)
	})
	return r
}

func (r *redisServer) url() string { return "redis-socket://" + r.socket }

func (r *redisServer) start() *redisServer {
	r.t.Helper()
	r.process = exec.Command(r.program, "--port", "0", "--unixsocket", r.socket,
		"--save", "", "--appendonly", "no", "--dir", filepath.Dir(r.socket), "--logfile", "/dev/null")
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
	client := r.client()
	defer client.Close()
	eventually(r.t, "redis-server answers", func() bool { return client.Ping(context.Background()).Err() == nil })
	return r
}

func (r *redisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket})
}

func (r *redisServer) kill() {
	r.signal(syscall.SIGKILL)
	_ = r.process.Wait()
	r.process = nil
}

func (r *redisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		r.t.Error(err)
	}
}

// eventually polls for what gives no event.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(15 * time.Second)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not happen: %s", what)
		}
	}
}
