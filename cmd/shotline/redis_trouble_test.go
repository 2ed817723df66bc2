package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a real redis-server of one test, that keeps nothing on disk.
type redisServer struct {
	t       *testing.T
	program string
	address string
	process *exec.Cmd // nil while it does not run
	admin   *redis.Client
}

func newRedisServer(t *testing.T) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs redis-server: it is not on this machine")
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
	_ = r.process.Wait() // it was killed
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

// TestRedisMayVanishInTheMiddleOfABatch lets something happen to Redis while a
// batch is sent, for longer than one submission task lasts. The batch ends all
// the same, and nothing is paid for twice.
func TestRedisMayVanishInTheMiddleOfABatch(t *testing.T) {
	const rows, rate, outage = 80, 10, 6 * time.Second
	for name, trouble := range map[string]struct{ begin, end func(*redisServer) }{
		"killed":  {(*redisServer).kill, (*redisServer).start},
		"flushed": {func(r *redisServer) { r.send("FLUSHALL") }, func(r *redisServer) { r.send("FLUSHALL") }},
		"full": {func(r *redisServer) {
			r.send("SET", "filler", strings.Repeat("x", 2<<20))
			r.send("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
		}, func(r *redisServer) { r.send("CONFIG", "SET", "maxmemory", "0") }},
		"paused": {func(r *redisServer) { r.signal(syscall.SIGSTOP) }, func(r *redisServer) { r.signal(syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRedisServer(t)
			s := newStage(t, "--redis-url", "redis://"+r.address, "--rate", fmt.Sprint(rate))
			passed := make(chan struct{})
			go func() {
				defer close(passed)
				for len(s.vendor.Ledger().Creates) < rows/8 && t.Context().Err() == nil {
					time.Sleep(20 * time.Millisecond)
				}
				trouble.begin(r)
				lasting := time.NewTimer(outage)
				defer lasting.Stop()
				<-lasting.C
				trouble.end(r)
			}()
			var urls strings.Builder
			for i := range rows {
				fmt.Fprintf(&urls, "https://journal.shotline.test/%d\n", i)
			}
			batch := s.submit(exitWell, urls.String())
			<-passed
			status, results, table := s.figures(batch)
			for from, got := range map[string]map[string]int{"status": status, "results": results, "SELECT": table} {
				if len(got) != 1 || got["done"] != rows {
					t.Errorf("%s says %v, want %d done", from, got, rows)
				}
			}
			if n := len(s.vendor.Ledger().Creates); n != rows {
				t.Errorf("the vendor was paid for %d screenshots, want %d", n, rows)
			}
		})
	}
}
