package client

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"
)

func TestNotSent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	listener.Close()

	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request arrived")
	}))
	t.Cleanup(plain.Close)
	untrusted := httptest.NewUnstartedServer(plain.Config.Handler)
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // the server logs the rejected handshake
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	noHost := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "api.invalid", IsNotFound: true}
	}
	for name, tc := range map[string]struct {
		ctx  context.Context
		base string
		opts []Option
	}{
		"refused":         {t.Context(), closed, nil},
		"unknown host":    {t.Context(), "http://api.invalid", []Option{WithDialContext(noHost)}},
		"no TLS there":    {t.Context(), "https" + plain.URL[len("http"):], nil},
		"untrusted":       {t.Context(), untrusted.URL, nil},
		"ended before":    {ended, plain.URL, nil},
		"slow connecting": {t.Context(), plain.URL, []Option{WithDialContext(neverDial), WithTimeout(20 * time.Millisecond)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, tc.base, tc.opts...)
			_, createErr := c.Create(tc.ctx, CreateRequest{URL: "https://example.com"})
			_, infoErr := c.Info(tc.ctx, "1")
			_, thumbErr := c.Thumbnail(tc.ctx, "1", ThumbnailOptions{})
			for op, err := range map[string]error{"create": createErr, "info": infoErr, "thumbnail": thumbErr} {
				if notSent := new(NotSentError); !errors.As(err, &notSent) {
					t.Errorf("%s: got %v, want a NotSentError", op, err)
				}
			}
		})
	}
}

func neverDial(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNotSentWhileWaitingForAConnection(t *testing.T) {
	busy := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("tag") == "second" {
			t.Error("the second request arrived")
		}
		busy <- struct{}{}
		<-busy
		io.WriteString(w, `{"id":1}`)
	}, WithMaxConnections(1))
	first := make(chan error)
	go func() { first <- create(context.Background(), c, "first") }()
	<-busy

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := create(ctx, c, "second")
	if notSent := new(NotSentError); !errors.As(err, &notSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a NotSentError for a deadline", err)
	}
	close(busy)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// discardConn is a connection that discards all writes.
type discardConn struct{ net.Conn }

func (discardConn) Write(p []byte) (int, error) { return len(p), nil }

func TestEvidence(t *testing.T) {
	fresh := func() *countedConn { return &countedConn{Conn: discardConn{}} }
	got := func(e *evidence, conn net.Conn) { e.gotConn(httptrace.GotConnInfo{Conn: conn}) }

	t.Run("no connection", func(t *testing.T) {
		if !new(evidence).provesNotSent() {
			t.Error("in doubt without a connection")
		}
	})
	t.Run("reused and unwritten", func(t *testing.T) {
		conn, e := fresh(), new(evidence)
		conn.Write([]byte("earlier request"))
		got(e, conn)
		if !e.provesNotSent() {
			t.Fatal("in doubt although nothing was written")
		}
		if _, err := conn.Write([]byte("late")); !errors.Is(err, errSealed) {
			t.Errorf("late write: got %v, want errSealed", err)
		}
	})
	t.Run("written", func(t *testing.T) {
		conn, e := fresh(), new(evidence)
		got(e, conn)
		conn.Write([]byte("G"))
		if e.provesNotSent() {
			t.Error("reported as not sent although a byte was written")
		}
		if _, err := conn.Write([]byte("ET")); err != nil {
			t.Errorf("the connection was sealed: %v", err)
		}
	})
	t.Run("written, then another connection", func(t *testing.T) {
		conn, e := fresh(), new(evidence)
		got(e, conn)
		conn.Write([]byte("G"))
		got(e, fresh())
		if e.provesNotSent() {
			t.Error("reported as not sent although the first connection was used")
		}
	})
	t.Run("unknown connection", func(t *testing.T) {
		e := new(evidence)
		got(e, discardConn{})
		if e.provesNotSent() {
			t.Error("reported as not sent on a connection that is not counted")
		}
	})
}
