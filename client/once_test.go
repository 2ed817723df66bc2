package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const goodResponse = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n" + `{"id":1}`

// wireServer implements HTTP/1.1 by hand, so that it can misbehave and record
// every byte. For each request it calls respond with the tag of the request and
// the number of earlier requests on the connection. If respond returns false, the
// server closes the connection.
type wireServer struct {
	address string
	mu      sync.Mutex
	seen    map[string]int // number of requests by tag
	heads   []string
}

func newWireServer(t *testing.T, respond func(conn *net.TCPConn, tag string, before int) bool) *wireServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &wireServer{address: "http://" + listener.Addr().String(), seen: map[string]int{}}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { s.serveConn(conn.(*net.TCPConn), respond) })
		}
	})
	// This runs after the clients' cleanup, which closes their connections.
	t.Cleanup(func() { listener.Close(); connections.Wait() })
	return s
}

func (s *wireServer) serveConn(conn *net.TCPConn, respond func(*net.TCPConn, string, int) bool) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for before := 0; ; before++ {
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
		}
		tag := tagOf(head.String())
		s.mu.Lock()
		s.seen[tag]++
		s.heads = append(s.heads, head.String())
		s.mu.Unlock()
		if !respond(conn, tag, before) {
			return
		}
	}
}

func tagOf(head string) string {
	target := strings.Fields(head)[1]
	u, err := url.Parse(target)
	if err != nil {
		return "unreadable"
	}
	return u.Query().Get("tag")
}

func (s *wireServer) requests() (byTag map[string]int, heads []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.seen), slices.Clone(s.heads)
}

func create(ctx context.Context, c *Client, tag string) error {
	_, err := c.Create(ctx, CreateRequest{URL: "https://example.com", Tags: []string{tag}})
	return err
}

// A connection that has carried one request successfully breaks during the next
// one. In this case net/http would silently retry a GET.
func TestCreateIsNotReplayedWhenAReusedConnectionIsCut(t *testing.T) {
	for name, cut := range map[string]func(*net.TCPConn){
		"closed":            func(*net.TCPConn) {},
		"reset":             func(conn *net.TCPConn) { conn.SetLinger(0) },
		"within the status": func(conn *net.TCPConn) { io.WriteString(conn, "HTTP/1.1 20") },
		"within the body":   func(conn *net.TCPConn) { io.WriteString(conn, strings.TrimSuffix(goodResponse, "}")) },
		"within a fake id":  func(conn *net.TCPConn) { io.WriteString(conn, strings.TrimSuffix(goodResponse, ":1}")) },
	} {
		t.Run(name, func(t *testing.T) {
			server := newWireServer(t, func(conn *net.TCPConn, tag string, _ int) bool {
				if strings.HasPrefix(tag, "cut") {
					cut(conn)
					return false
				}
				io.WriteString(conn, goodResponse)
				return true
			})
			c := newClient(t, server.address)
			const rounds = 100
			for i := range rounds {
				if err := create(t.Context(), c, fmt.Sprint("good", i)); err != nil {
					t.Fatal(err)
				}
				err := create(t.Context(), c, fmt.Sprint("cut", i))
				if inDoubt := new(InDoubtError); !errors.As(err, &inDoubt) {
					t.Fatalf("cut %d: got %v, want an InDoubtError", i, err)
				}
			}
			seen, heads := server.requests()
			if len(heads) != 2*rounds {
				t.Errorf("the server received %d requests for %d calls", len(heads), 2*rounds)
			}
			for tag, n := range seen {
				if n != 1 {
					t.Errorf("%s was sent %d times, want once", tag, n)
				}
			}
			for _, head := range heads {
				lower := strings.ToLower(head)
				if !strings.HasPrefix(head, "GET ") || strings.Contains(lower, "content-length") ||
					strings.Contains(lower, "transfer-encoding") {
					t.Fatalf("not a plain GET:\n%s", head)
				}
			}
		})
	}
}

// The server closes the connection after each response without announcing it.
// When the next create starts, the connection might be closed, closing or
// replaced.
func TestCreateRacesWithAServerThatClosesIdleConnections(t *testing.T) {
	server := newWireServer(t, func(conn *net.TCPConn, _ string, _ int) bool {
		io.WriteString(conn, goodResponse)
		return false
	})
	c := newClient(t, server.address)
	outcome := map[string]error{}
	for i := range 300 {
		tag := fmt.Sprint("c", i)
		outcome[tag] = create(t.Context(), c, tag)
	}
	seen, _ := server.requests()
	for tag, err := range outcome {
		var notSent *NotSentError
		var inDoubt *InDoubtError
		switch n := seen[tag]; {
		case err == nil && n != 1, errors.As(err, &notSent) && n != 0, errors.As(err, &inDoubt) && n > 1:
			t.Errorf("%s: received %d times, error %v", tag, n, err)
		case err != nil && notSent == nil && inDoubt == nil:
			t.Errorf("%s: got %v, want success, a NotSentError or an InDoubtError", tag, err)
		}
	}
}

func TestCreateIsSentOnceOverHTTP2(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		if body, _ := io.ReadAll(r.Body); r.ProtoMajor != 2 || len(body) > 0 {
			t.Errorf("%s with a body of %d bytes", r.Proto, len(body))
		}
		if r.FormValue("tag") == "cut" {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, `{"id":1}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c := newClient(t, server.URL)
	c.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c.transport.TLSClientConfig.NextProtos = nil

	for range 20 {
		if err := create(t.Context(), c, "good"); err != nil {
			t.Fatal(err)
		}
		err := create(t.Context(), c, "cut")
		if inDoubt := new(InDoubtError); !errors.As(err, &inDoubt) {
			t.Fatalf("got %v, want an InDoubtError", err)
		}
	}
	if seen.Load() != 40 {
		t.Errorf("the server received %d requests for 40 calls", seen.Load())
	}
}

func TestCreateFollowsNoRedirect(t *testing.T) {
	var origin, target atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { target.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		origin.Store(0)
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			origin.Add(1)
			http.Redirect(w, r, elsewhere.URL+"/?key="+canary, status)
		})
		err := create(t.Context(), c, "x")
		var inDoubt *InDoubtError
		if !errors.As(err, &inDoubt) {
			t.Errorf("%d: got %v, want an InDoubtError", status, err)
		}
		if _, err := c.Info(t.Context(), "1"); err == nil {
			t.Errorf("%d: info accepted a redirect", status)
		}
		if origin.Load() != 2 || target.Load() != 0 {
			t.Errorf("%d: %d requests to the API and %d to the target, want 2 and 0", status, origin.Load(), target.Load())
		}
	}
}

func TestCreateInterruptedBeforeTheResponse(t *testing.T) {
	arrived := make(chan struct{}, 1)
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}, WithTimeout(50*time.Millisecond))

	t.Run("timeout", func(t *testing.T) {
		err := create(t.Context(), c, "x")
		<-arrived
		if inDoubt := new(InDoubtError); !errors.As(err, &inDoubt) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want an InDoubtError for a deadline", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		c := newClient(t, c.base.String())
		err := create(ctx, c, "x")
		if inDoubt := new(InDoubtError); !errors.As(err, &inDoubt) || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want an InDoubtError for a cancelled context", err)
		}
	})
}
