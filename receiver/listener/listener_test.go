package listener_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"shotline/receiver/listener"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a net.Listener whose connections are in memory, so that tests can use
// the time of synctest.
type pipes struct {
	incoming chan any // each is a net.Conn or an error
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{incoming: make(chan any, 64), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case next := <-p.incoming:
		if err, bad := next.(error); bad {
			return nil, err
		}
		return next.(net.Conn), nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// server is a guarded web server with its log.
type server struct {
	t     *testing.T
	pipes *pipes
	*listener.Listener
	log *bytes.Buffer
}

// serve starts a server that ends with the test. It must be called in a synctest
// bubble.
func serve(t *testing.T, cfg listener.Config, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{t: t, pipes: newPipes(), log: new(bytes.Buffer)}
	cfg.Name, cfg.Logger = "test", slog.New(slog.NewTextHandler(s.log, nil))
	s.Listener = listener.New(s.pipes, cfg)
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 20 * time.Second}
	s.Guard(web)
	served := make(chan error, 1)
	go func() { served <- web.Serve(s.Listener) }()
	t.Cleanup(func() {
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		synctest.Wait()
		if open := s.Stats().Open; open != 0 {
			t.Errorf("%d connections are open after the end, want 0", open)
		}
	})
	return s
}

// peer is the client end of a connection.
type peer struct {
	t *testing.T
	net.Conn
	answers *bufio.Reader
}

func (s *server) dial() *peer {
	s.t.Helper()
	client, server := net.Pipe()
	s.pipes.incoming <- server
	s.t.Cleanup(func() { client.Close() })
	return &peer{s.t, client, bufio.NewReader(client)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatalf("send %.20q: %v", text, err)
	}
}

// status reads a response. It returns 0 if the connection was closed without one.
func (p *peer) status() int {
	response, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return response.StatusCode
}

func (p *peer) get() int {
	p.t.Helper()
	p.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	return p.status()
}

// open reports whether the connection is still open.
func (p *peer) open() bool {
	_ = p.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := p.answers.Peek(1)
	_ = p.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func ok(http.ResponseWriter, *http.Request) {}

func TestLongestIdleConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, listener.Config{MaxConnections: 3}, ok)
		var peers []*peer
		for range 3 {
			p := s.dial()
			if got := p.get(); got != 200 {
				t.Fatalf("got status %d", got)
			}
			peers = append(peers, p)
			time.Sleep(time.Second)
		}
		if got := peers[0].get(); got != 200 { // the second one has now been idle the longest
			t.Fatalf("got status %d", got)
		}
		synctest.Wait()
		if got := s.dial().get(); got != 200 {
			t.Errorf("at the limit: got status %d", got)
		}
		for i, want := range []bool{true, false, true} {
			if got := peers[i].open(); got != want {
				t.Errorf("connection %d is open: %v, want %v", i, got, want)
			}
		}
		if st := s.Stats(); st.Open != 3 || st.Evicted != 1 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		if err := s.RecentError(); err != nil {
			t.Errorf("Trouble: got %v, want nil", err)
		}
	})
}

// Connections that have sent nothing, a part of the headers or a part of a body
// are closed for new ones, the oldest first, but not before a minimum wait.
func TestWaitingConnectionsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, listener.Config{MaxConnections: 3, BodyStep: 3 * time.Second}, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		})
		body := s.dial()
		body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
		synctest.Wait() // otherwise the second connection might begin to wait first
		headers := s.dial()
		headers.send("POST / HT")
		synctest.Wait()
		nothing := s.dial()
		synctest.Wait()
		for i, victim := range []*peer{body, headers, nothing} {
			began := time.Now()
			other := s.dial()
			other.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
			if took := time.Since(began); i == 0 && took < 200*time.Millisecond {
				t.Errorf("accepted after %s, want at least 200ms", took)
			}
			synctest.Wait()
			if victim.open() {
				t.Errorf("connection %d is open", i)
			}
		}
		if st := s.Stats(); st.Open != 3 || st.Evicted != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// A request that is being answered is never cut off. If no connection can be
// closed for a short time, other requests get a 503 immediately.
func TestAnsweredRequestsAreNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, proceed := make(chan struct{}), make(chan struct{})
		s := serve(t, listener.Config{MaxConnections: 2}, func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				entered <- struct{}{}
				<-proceed
			}
		})
		busy := []*peer{s.dial(), s.dial()}
		for _, p := range busy {
			p.send("PUT / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-entered
		}
		for i := range 3 {
			began := time.Now()
			if got := s.dial().get(); got != http.StatusServiceUnavailable {
				t.Errorf("got status %d", got)
			}
			if took := time.Since(began); took > time.Second || i > 0 && took > 300*time.Millisecond {
				t.Errorf("refusal %d took %s", i, took)
			}
		}
		if err := s.RecentError(); err == nil || !strings.Contains(err.Error(), "test: ") {
			t.Errorf("Trouble: got %v, want an error", err)
		}
		if st := s.Stats(); st.Refused != 3 {
			t.Errorf("%+v", st)
		}
		close(proceed)
		for _, p := range busy {
			if got := p.status(); got != 200 {
				t.Errorf("got status %d", got)
			}
		}
		synctest.Wait()
		if got := s.dial().get(); got != 200 {
			t.Errorf("after the others ended: got status %d", got)
		}
		time.Sleep(11 * time.Second)
		if err := s.RecentError(); err != nil {
			t.Errorf("Trouble after 11 s: got %v, want nil", err)
		}
		if n := strings.Count(s.log.String(), "answered 503"); n != 1 {
			t.Errorf("%d log lines about refusals, want 1:\n%s", n, s.log)
		}
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, listener.Config{MaxConnections: 2}, ok)
		p := s.dial()
		p.get()
		time.Sleep(19 * time.Second)
		if !p.open() {
			t.Error("closed too early")
		}
		time.Sleep(2 * time.Second)
		if p.open() || s.Stats().Open != 0 {
			t.Error("still open")
		}
	})
}

// bodyResult is the result of reading a body in a handler.
type bodyResult struct {
	n   int64
	err error
}

// serveBodies starts a server whose handler reads each body to its end and then
// sleeps for the given time.
func serveBodies(t *testing.T, afterwards time.Duration) (*server, chan bodyResult) {
	bodies := make(chan bodyResult, 1)
	return serve(t, listener.Config{MaxConnections: 4, BodyStep: 3 * time.Second, MinBodyBytes: 1000, BodyTime: 10 * time.Second},
		func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				w.Header().Set("Connection", "close")
				w.WriteHeader(http.StatusBadRequest)
			}
			time.Sleep(afterwards)
			bodies <- bodyResult{n, errors.Join(err, r.Context().Err())}
		}), bodies
}

func TestSlowBodiesAreCutOff(t *testing.T) {
	tests := []struct {
		name     string
		size     int // of each part
		every    time.Duration
		cutAfter time.Duration // 0 if the body is not cut off
	}{
		{"nothing arrives", 0, time.Hour, 3 * time.Second},
		{"single bytes", 1, 100 * time.Millisecond, 3 * time.Second},
		{"too little in each step", 300, 1100 * time.Millisecond, 3 * time.Second},
		{"enough in each step, too slow in total", 2000, 2 * time.Second, 10 * time.Second},
		{"enough", 2000, time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const length = 16000
				s, bodies := serveBodies(t, 5*time.Second)
				p := s.dial()
				p.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length))
				began := time.Now()
				go func() {
					for sent := 0; sent < length && tt.size > 0; sent += tt.size {
						if _, err := p.Write(make([]byte, tt.size)); err != nil {
							return
						}
						time.Sleep(tt.every)
					}
				}()
				if tt.cutAfter == 0 {
					if got := p.status(); got != 200 {
						t.Errorf("got status %d", got)
					}
					if body := <-bodies; body.n != length || body.err != nil {
						t.Errorf("read %d bytes, %v", body.n, body.err)
					}
					return
				}
				body := <-bodies
				if took := time.Since(began) - 5*time.Second; took != tt.cutAfter || !errors.Is(body.err, os.ErrDeadlineExceeded) {
					t.Errorf("cut off after %s with %v, want %s", took, body.err, tt.cutAfter)
				}
				if st := s.Stats(); st.SlowBodies != 1 || !strings.Contains(s.log.String(), "slow body cut off") {
					t.Errorf("%+v\n%s", st, s.log)
				}
				if got := p.status(); got != http.StatusBadRequest {
					t.Errorf("got status %d", got)
				}
				time.Sleep(2 * time.Second)
				if n := s.Stats().Open; n != 0 {
					t.Error("the connection is still open")
				}
			})
		})
	}
}

// Each request on a connection has the full time for its body.
func TestBodiesOfOneConnectionHaveTheirOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bodies := serveBodies(t, 0)
		p := s.dial()
		for i := range 10 {
			p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf")
			time.Sleep(2 * time.Second)
			p.send("rest")
			if got := p.status(); got != 200 {
				t.Fatalf("request %d: got status %d", i, got)
			}
			if body := <-bodies; body.n != 8 || body.err != nil {
				t.Fatalf("request %d: %d bytes, %v", i, body.n, body.err)
			}
			time.Sleep(15 * time.Second)
		}
		if st := s.Stats(); st.SlowBodies != 0 || st.Open != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// An error of Accept does not stop the server. Each error closes a connection
// that waits for its peer.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, listener.Config{MaxConnections: 100}, ok)
		p := s.dial()
		p.get()
		synctest.Wait()
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, errors.New("strange")} {
			s.pipes.incoming <- &net.OpError{Op: "accept", Err: err}
		}
		if got := s.dial().get(); got != 200 {
			t.Errorf("afterwards: got status %d", got)
		}
		if p.open() {
			t.Error("no connection was closed for a new one")
		}
		if st := s.Stats(); st.AcceptErrors != 4 {
			t.Errorf("%+v", st)
		}
		if err := s.RecentError(); err == nil || !strings.Contains(err.Error(), "test: accept: ") {
			t.Errorf("Trouble: got %v", err)
		}
		if n := strings.Count(s.log.String(), "level=WARN"); n != 1 || !strings.Contains(s.log.String(), "too many open files") {
			t.Errorf("%d warnings:\n%s", n, s.log)
		}
		time.Sleep(11 * time.Second)
		if err := s.RecentError(); err != nil {
			t.Errorf("Trouble after 11 s: got %v, want nil", err)
		}
	})
}

// Many senders share few connections. Every request is answered once, or its
// connection was closed before the request arrived.
func TestManyConnectionsOverLoopback(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var answered atomic.Int64
	l := listener.New(inner, listener.Config{MaxConnections: 8, BodyStep: time.Second, ReadBuffer: 64 << 10})
	web := &http.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answered.Add(1)
		_, _ = w.Write(body)
	})}
	l.Guard(web)
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()

	var senders sync.WaitGroup
	for i := range 32 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for j := range 30 {
				want := strings.Repeat(fmt.Sprint(i, j), 1+1000*(j%10))
				response, err := client.Post("http://"+inner.Addr().String(), "text/plain", strings.NewReader(want))
				if err != nil {
					continue // the connection was closed between two requests
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err == nil && response.StatusCode == 200 && string(got) != want {
					t.Errorf("got %d bytes, want %d", len(got), len(want))
				}
			}
		})
	}
	senders.Wait()
	if n := answered.Load(); n < 32*30/2 {
		t.Errorf("%d of %d requests were answered", n, 32*30)
	}
	if st := l.Stats(); st.Open > st.MaxConnections+listener.Extra(st.MaxConnections) {
		t.Errorf("%+v", st)
	}
	if err := web.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-served
	if n := l.Stats().Open; n != 0 {
		t.Errorf("%d connections are open after the end, want 0", n)
	}
}
