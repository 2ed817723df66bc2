package outward

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hostile starts a server on loopback that reads a request header and then calls
// write. The channel ended is closed when the client has closed the connection.
func hostile(t *testing.T, write func(to net.Conn) error) (url string, ended <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	closed, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		if write(conn) == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
		close(closed)
	}()
	t.Cleanup(func() { cancel(); _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String() + "/", closed
}

// repeat writes the same text until the connection is closed.
func repeat(text string, pause time.Duration) func(net.Conn) error {
	return func(to net.Conn) error {
		ticker := time.NewTicker(max(pause, 1))
		defer ticker.Stop()
		for {
			if _, err := io.WriteString(to, text); err != nil {
				return err
			}
			if pause > 0 {
				<-ticker.C
			}
		}
	}
}

// writeThen writes text and then calls rest.
func writeThen(text string, rest func(net.Conn) error) func(net.Conn) error {
	return func(to net.Conn) error {
		if _, err := io.WriteString(to, text); err != nil || rest == nil {
			return err
		}
		return rest(to)
	}
}

// A caller that waits for the end of one of these responses would wait forever.
func TestHostileResponsesDoNotBlock(t *testing.T) {
	const begin, chunked = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	pause := 10 * time.Millisecond
	for name, tt := range map[string]struct {
		write func(net.Conn) error
		want  error // nil: a timeout or an error of net/http
	}{
		"switch and silence":       {writeThen(upgrade, nil), ErrNotFinal},
		"switch and bytes":         {writeThen(upgrade, repeat("x", 0)), ErrNotFinal},
		"switch without a header":  {writeThen("HTTP/1.1 101 Switching Protocols\r\n\r\n", nil), ErrNotFinal},
		"status 000":               {writeThen("HTTP/1.1 000 Nothing\r\nContent-Length: 5\r\n\r\n", nil), ErrNotFinal},
		"silence":                  {writeThen("", nil), nil},
		"100 without end":          {repeat("HTTP/1.1 100 Continue\r\n\r\n", 0), nil},
		"103 without end":          {repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0), nil},
		"103 now and then":         {repeat("HTTP/1.1 103 Early Hints\r\n\r\n", pause), nil},
		"a header without end":     {writeThen(begin, repeat("X: y\r\n", 0)), nil},
		"a header line by line":    {writeThen(begin, repeat("X: y\r\n", pause)), nil},
		"a line without end":       {writeThen(begin, repeat("x", 0)), nil},
		"a body without end":       {writeThen(begin+"\r\n", repeat(strings.Repeat("x", 4096), 0)), ErrTooLarge},
		"a body byte by byte":      {writeThen(begin+"Content-Length: 100\r\n\r\n", repeat("x", pause)), nil},
		"a body that never comes":  {writeThen(begin+"Content-Length: 100\r\n\r\n", nil), nil},
		"chunks without end":       {writeThen(chunked, repeat("1\r\nx\r\n", 0)), nil},
		"chunks now and then":      {writeThen(chunked, repeat("1\r\nx\r\n", pause)), nil},
		"an extension without end": {writeThen(chunked+"1;", repeat("x", 0)), nil},
		"trailers without end":     {writeThen(chunked+"0\r\n", repeat("X: y\r\n", 0)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, closed := hostile(t, tt.write)
			client := loopback(t, Limits{Time: 300 * time.Millisecond, Body: 64 << 10})
			ended := make(chan error, 1)
			go func() {
				answer, err := client.Post(url, "application/json", strings.NewReader("{}"))
				if err == nil {
					defer answer.Body.Close()
					_, err = io.Copy(io.Discard, answer.Body)
				}
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the call has not ended")
			}
			select {
			case <-closed:
			case <-time.After(20 * time.Second):
				t.Error("the connection is still open")
			}
		})
	}
}

func TestCompressedResponsesStayCompressed(t *testing.T) {
	url, _ := hostile(t, func(to net.Conn) error {
		if _, err := io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		packer := gzip.NewWriter(to)
		_, _ = packer.Write(make([]byte, 16<<20))
		_ = packer.Close()
		return errors.New("written")
	})
	answer, err := loopback(t, Limits{Body: 64 << 10}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); err != nil || n > 64<<10 {
		t.Errorf("read %d bytes of a body that decompresses to %d: %v", n, 16<<20, err)
	}
}

// HTTP/2 has frames that cost the sender little, and nothing here needs it.
func TestHTTP2IsNotUsed(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := loopback(t, Limits{})
	client.Transport.(bounded).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.ProtoMajor != 1 {
		t.Errorf("got %s", answer.Proto)
	}
}

func TestReasonOfWrappedErrors(t *testing.T) {
	if got := Reason(fmt.Errorf("Post: %w", ErrNotFinal)); got != ErrNotFinal.Error() {
		t.Error(got)
	}
	if got := Reason(context.DeadlineExceeded); got != "timed out" {
		t.Error(got)
	}
}
