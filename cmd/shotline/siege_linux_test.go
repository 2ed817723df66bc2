package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/receiver/signature"
)

// siegeConnections is how many connections strangers open at a time. The file
// descriptors of the test process limit it.
var siegeConnections = flag.Int("siege", 1000, "how many connections strangers open at a time")

// TestSiege starts the program without the race detector, with little memory or
// few file descriptors, while strangers try to exhaust its resources.
func TestSiege(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and opens thousands of connections to it")
	}
	program := plainProgram(t)
	for name, test := range map[string]func(*testing.T, string){
		"slow bodies":              testSlowBodies,
		"idle connections":         testIdleConnections,
		"64 file descriptors":      testFewDescriptors,
		"memory limit of the user": testUserMemoryLimit,
	} {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}

// startLimited starts a program with a limit of memory in bytes and a limit of
// file descriptors. 0 means no limit.
func (s *stage) startLimited(program string, memory int64, descriptors int) *killable {
	s.t.Helper()
	script := `exec "$@"`
	if descriptors > 0 {
		script = fmt.Sprintf("ulimit -n %d; %s", descriptors, script)
	}
	if memory > 0 {
		if group, err := newMemoryGroup(s.t, memory); err == nil {
			script = fmt.Sprintf("echo $$ >%s/cgroup.procs; %s", group, script)
		} else {
			s.t.Logf("no control group, using GOMEMLIMIT instead: %v", err)
			script = fmt.Sprintf("GOMEMLIMIT=%d %s", memory*7/10, script)
		}
	}
	k := s.killableBy([]string{"/bin/sh", "-ec", script, "sh", program})
	s.until("serve responds", func() bool {
		response, err := http.Get("http://" + s.hooks + "/healthz")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return k
}

// newMemoryGroup creates a control group, of version 1 or 2, with a memory limit.
// It is removed after the test.
func newMemoryGroup(t *testing.T, limit int64) (string, error) {
	name := "shotline-test-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	var errs []error
	for _, of := range []struct{ parent, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		group := filepath.Join(of.parent, name)
		err := os.Mkdir(group, 0o755)
		if err == nil {
			t.Cleanup(func() { _ = os.Remove(group) })
			// The control file exists if the controller is available.
			var file *os.File
			if file, err = os.OpenFile(filepath.Join(group, of.file), os.O_WRONLY, 0); err == nil {
				_, err = file.WriteString(strconv.FormatInt(limit, 10))
				err = errors.Join(err, file.Close())
			}
		}
		if err == nil {
			return group, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// peak returns the largest amount of memory that the process has used, in bytes.
func (k *killable) peak() int64 {
	k.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.process.Process.Pid))
	if err != nil {
		k.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.TrimSpace(rest[:strings.Index(rest, "kB")]), 10, 64)
	if err != nil {
		k.t.Fatal(err)
	}
	return kib << 10
}

// siege is an attack on the webhook address: a number of connections at a time.
// When one ends, it is opened again a second later.
type siege struct {
	opened, ended atomic.Int64
	over          context.CancelFunc
	strangers     sync.WaitGroup
}

// besiege opens connections and calls act for each. The connection is closed when
// act returns.
func (s *stage) besiege(connections int, act func(net.Conn)) *siege {
	s.t.Helper()
	ctx, over := context.WithCancel(context.Background())
	g := &siege{over: over}
	for range connections {
		g.strangers.Go(func() {
			for ctx.Err() == nil {
				conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", s.hooks)
				if err == nil {
					g.opened.Add(1)
					closing := context.AfterFunc(ctx, func() { conn.Close() })
					act(conn)
					closing()
					conn.Close()
					g.ended.Add(1)
				}
				_ = clock.Sleep(ctx, time.Second)
			}
		})
	}
	s.t.Cleanup(g.end)
	return g
}

func (g *siege) end() {
	g.over()
	g.strangers.Wait()
}

// genuine posts a webhook over its own connection, as the vendor does.
func (s *stage) genuine(id int) error {
	body := fmt.Appendf(nil, `{"event":"screenshot.completed","screenshot_id":"%d","status":"done"}`, id)
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.hooks+WebhookPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set(signature.HeaderGuide, signature.Sign(testSecret, body))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// testSlowBodies opens a thousand connections. Each sends a plausible signature
// and nearly all of the largest body, then nothing more.
func testSlowBodies(t *testing.T, program string) {
	const memory = 256 << 20
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := s.startLimited(program, memory, 0)

	const length = 256 << 10
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: sha256=%s\r\nContent-Length: %d\r\n\r\n",
		WebhookPath, strings.Repeat("ab", 32), length)
	body := bytes.Repeat([]byte{'a'}, length-100)
	g := s.besiege(*siegeConnections, func(conn net.Conn) {
		_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, head); err == nil {
			_, _ = conn.Write(body)
		}
		_, _ = io.Copy(io.Discard, conn) // until the server closes it
	})
	sent := 0
	for g.ended.Load() < 3*int64(*siegeConnections) {
		sent++
		if err := s.genuine(sent); err != nil {
			t.Fatalf("webhook %d, after %d hostile connections: %v", sent, g.opened.Load(), err)
		}
	}
	_, figures := s.ask(strings.TrimPrefix(serve.api, "http://"), "/metrics")
	if limit := figure(t, figures, "go_gc_gomemlimit_bytes"); limit > memory*3/4 || limit < memory/2 {
		t.Errorf("got a Go memory limit of %.0f bytes", limit)
	}
	if n := figure(t, figures, `shotline_slow_bodies_total{listener="webhooks"}`); n == 0 {
		t.Error("no connection with a slow body was closed")
	}
	peak := serve.peak()
	t.Logf("%d webhooks among %d hostile connections, at most %d MiB", sent, g.opened.Load(), peak>>20)
	if peak > memory {
		t.Errorf("used %d MiB of memory, want at most %d", peak>>20, memory>>20)
	}
}

// testUserMemoryLimit checks that GOMEMLIMIT takes precedence over the limit of
// the control group.
func testUserMemoryLimit(t *testing.T, program string) {
	t.Setenv("GOMEMLIMIT", "350MiB")
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := s.startLimited(program, 0, 0)
	_, figures := s.ask(strings.TrimPrefix(serve.api, "http://"), "/metrics")
	if limit := figure(t, figures, "go_gc_gomemlimit_bytes"); limit != 350<<20 {
		t.Errorf("got a Go memory limit of %.0f bytes", limit)
	}
	if limit := figure(t, figures, `shotline_connections_limit{listener="webhooks"}`); limit > 500<<20/8/connectionBytes {
		t.Errorf("got a limit of %v connections with 500 MiB of memory", limit)
	}
}

// testIdleConnections keeps more connections open than there are file
// descriptors, each after one request.
func testIdleConnections(t *testing.T, program string) {
	const descriptors, connections = 96, 300
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := s.startLimited(program, 0, descriptors)
	g := s.besiege(connections, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	sent := 0
	for sent < 100 || g.opened.Load() < 2*connections {
		sent++
		if err := s.genuine(sent); err != nil {
			t.Fatalf("webhook %d, after %d hostile connections: %v", sent, g.opened.Load(), err)
		}
	}
	api := strings.TrimPrefix(serve.api, "http://")
	if status, body := s.ask(api, "/readyz"); status != http.StatusOK {
		t.Errorf("not ready: %s", body)
	}
	_, figures := s.ask(api, "/metrics")
	limit, open := figure(t, figures, `shotline_connections_limit{listener="webhooks"}`), figure(t, figures, `shotline_connections{listener="webhooks"}`)
	if limit < 5 || limit > descriptors/2 || open > limit+5 {
		t.Errorf("%v connections are open, limit %v", open, limit)
	}
	if n := figure(t, figures, `shotline_accept_errors_total{listener="webhooks"}`); n != 0 {
		t.Errorf("got %v accept errors, want 0", n)
	}
	if n := figure(t, figures, `shotline_connections_evicted_total{listener="webhooks"}`); n == 0 {
		t.Error("no connection was evicted")
	}
}

// testFewDescriptors checks that a batch ends with 64 file descriptors. Only the
// concurrency is lower.
func testFewDescriptors(t *testing.T, program string) {
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := s.startLimited(program, 0, 64)
	var rows strings.Builder
	rows.WriteString("url\n")
	for i := range 1000 {
		fmt.Fprintf(&rows, "https://shop.shotline.test/item/%d\n", i)
	}
	began := time.Now()
	s.submit(exitOK, rows.String())
	t.Logf("1,000 rows took %s", time.Since(began))

	_, figures := s.ask(strings.TrimPrefix(serve.api, "http://"), "/metrics")
	for line := range strings.Lines(figures) {
		if strings.HasPrefix(line, "shotline_vendor_requests_total{") && !strings.Contains(line, `code="200"`) {
			t.Errorf("a vendor call failed: %s", line)
		}
	}
	if n := figure(t, figures, `shotline_accept_errors_total{listener="webhooks"}`); n != 0 {
		t.Errorf("got %v accept errors, want 0", n)
	}
}
