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

// redisServer is a redis-server for one test on a Unix socket. It is empty after
// a restart unless the test saves its data.
type redisServer struct {
	t       *testing.T
	program string
	socket  string
	process *exec.Cmd // nil if it is not running
	admin   *redis.Client
}

func newRedis(t *testing.T) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs redis-server: not found in PATH")
	}
	dir, err := os.MkdirTemp("", "redis") // the path of t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, program: program, socket: filepath.Join(dir, "s")}
	r.admin = r.client()
	t.Cleanup(func() {
		_ = r.admin.Close()
		if r.process != nil {
			r.kill()
		}
		_ = os.RemoveAll(dir)
	})
	return r
}

func (r *redisServer) url() string { return "redis-socket://" + r.socket }

// start starts the server and waits until it responds.
func (r *redisServer) start() *redisServer {
	r.t.Helper()
	r.launch()
	eventually(r.t, "redis-server responds", func() bool { return r.admin.Ping(context.Background()).Err() == nil })
	return r
}

func (r *redisServer) launch(args ...string) {
	r.t.Helper()
	r.process = exec.Command(r.program, append([]string{"--port", "0", "--unixsocket", r.socket, "--save", "",
		"--appendonly", "no", "--dir", filepath.Dir(r.socket), "--logfile", "/dev/null", "--enable-debug-command", "local"}, args...)...)
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// send sends a command directly to the server.
func (r *redisServer) send(args ...any) {
	r.t.Helper()
	if err := r.admin.Do(context.Background(), args...).Err(); err != nil {
		r.t.Errorf("%v: %v", args[0], err)
	}
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

// eventually polls until holds returns true. Use it only for conditions without
// an event.
func eventually(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(15 * time.Second)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("condition not met: %s", condition)
		}
	}
}
