package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server for one test. It stores nothing on disk.
type redisServer struct {
	t       *testing.T
	program string
	address string
	process *exec.Cmd
	admin   *redis.Client
	stop    chan struct{} // closed to end flushing
	stopped chan struct{}
}

func newRedisServer(t *testing.T) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, program: program, address: address, admin: redis.NewClient(&redis.Options{Addr: address})}
	r.start()
	t.Cleanup(func() {
		r.kill()
		_ = r.admin.Close()
	})
	return r
}

func (r *redisServer) start() {
	r.t.Helper()
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.process = exec.Command(r.program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", os.TempDir())
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redisServer) kill() {
	r.signal(syscall.SIGKILL)
	_ = r.process.Wait() // reports the kill
}

func (r *redisServer) signal(s syscall.Signal) {
	if err := r.process.Process.Signal(s); err != nil {
		r.t.Error(err)
	}
}

func (r *redisServer) send(args ...any) {
	if err := r.admin.Do(context.Background(), args...).Err(); err != nil {
		r.t.Errorf("%v: %v", args[0], err)
	}
}

// flush starts to delete all keys repeatedly, until keep is called.
func (r *redisServer) flush() {
	r.stop, r.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(r.stopped)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-r.stop:
				return
			case <-ticker.C:
				r.send("FLUSHALL")
			}
		}
	}()
}

func (r *redisServer) keep() {
	close(r.stop)
	<-r.stopped
}

// redisTroubles are failures of Redis in the middle of a batch.
var redisTroubles = map[string]struct{ begin, end func(*redisServer) }{
	"killed":  {(*redisServer).kill, (*redisServer).start},
	"flushed": {(*redisServer).flush, (*redisServer).keep},
	"full": {func(r *redisServer) {
		r.send("SET", "filler", strings.Repeat("x", 2<<20))
		r.send("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
	}, func(r *redisServer) { r.send("CONFIG", "SET", "maxmemory", "0") }},
	"paused": {func(r *redisServer) { r.signal(syscall.SIGSTOP) }, func(r *redisServer) { r.signal(syscall.SIGCONT) }},
}

// TestRedisMayVanishInTheMiddleOfABatch makes Redis fail for longer than a
// submission task lasts. The batch must still end, and nothing must be paid
// twice. Each failure has its own serve, and all failures happen at the same
// time.
func TestRedisMayVanishInTheMiddleOfABatch(t *testing.T) {
	if testing.Short() {
		t.Skip("stops a redis-server for seconds")
	}
	t.Parallel()
	const rows, rate, outage = 70, 10, 6 * time.Second
	var urls strings.Builder
	for i := range rows {
		fmt.Fprintf(&urls, "https://journal.shotline.test/%d\n", i)
	}
	file := filepath.Join(t.TempDir(), "urls.txt")
	if err := os.WriteFile(file, []byte(urls.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	stages, batches := map[string]*stage{}, map[string]string{}
	var id string
	var outages sync.WaitGroup
	for name, trouble := range redisTroubles {
		r := newRedisServer(t)
		s := newStage(t, "--redis-url", "redis://"+r.address, "--rate", fmt.Sprint(rate))
		stages[name] = s
		if _, err := fmt.Sscanf(s.do(exitOK, "submit", file), "batch %10s", &id); err != nil {
			t.Fatal(err)
		}
		batches[name] = id
		t.Cleanup(outages.Wait)
		outages.Go(func() {
			ticker := time.NewTicker(20 * time.Millisecond)
			defer ticker.Stop()
			for len(s.vendor.Ledger().Creates) < rows/10 && t.Context().Err() == nil {
				<-ticker.C
			}
			trouble.begin(r)
			lasting := time.NewTimer(outage)
			defer lasting.Stop()
			<-lasting.C
			trouble.end(r)
		})
	}
	outages.Wait()
	for name, s := range stages {
		s.do(exitOK, "wait", batches[name], "--timeout", "1m")
		status, results, table := s.figures(batches[name])
		for from, got := range map[string]map[string]int{"status": status, "results": results, "SELECT": table} {
			if len(got) != 1 || got["done"] != rows {
				t.Errorf("Redis %s: %s: got %v, want %d done", name, from, got, rows)
			}
		}
		if n := len(s.vendor.Ledger().Creates); n != rows {
			t.Errorf("Redis %s: got %d paid creates, want %d", name, n, rows)
		}
	}
}
