package listener_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shotline/receiver/listener"
)

// If a request is refused before the body has arrived, the sender can send the
// rest of it and read the response. It does not get a network error.
func TestRefusalsReachSendersOfLargeBodies(t *testing.T) {
	const length = 300 << 10
	rest := strings.Repeat("x", length)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", length, rest)
	for name, tt := range map[string]struct{ header, body string }{
		"announced":              {fmt.Sprintf("Content-Length: %d\r\n", length), rest},
		"announced, then closed": {fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n", length), rest},
		"chunked":                {"Transfer-Encoding: chunked\r\n", chunked},
		"chunked, then closed":   {"Transfer-Encoding: chunked\r\nConnection: close\r\n", chunked},
	} {
		for _, step := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprint(name, " ", step), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, listener.Config{MaxConnections: 10, BodyStep: step}, refusing)
					p := s.dial()
					p.send("POST / HTTP/1.1\r\nHost: x\r\n" + tt.header + "\r\n")
					sent := make(chan error, 1)
					go func() {
						_, err := io.WriteString(p, tt.body)
						sent <- err
					}()
					if got := p.status(); got != http.StatusRequestEntityTooLarge {
						t.Errorf("got status %d", got)
					}
					if err := <-sent; err != nil {
						t.Errorf("send the body: %v", err)
					}
					synctest.Wait()
					if p.open() || s.Stats().Open != 0 {
						t.Error("the connection is still open")
					}
				})
			})
		}
	}
}

// Reading the rest of a refused body is limited in time and bytes, and its
// connection can be closed for another.
func TestReadingOfRefusedBodiesIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, listener.Config{MaxConnections: 1, BodyStep: 3 * time.Second}, refusing)
		refused := func(start string) *peer {
			p := s.dial()
			p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + start)
			if got := p.status(); got != http.StatusRequestEntityTooLarge {
				t.Fatalf("got status %d", got)
			}
			return p
		}
		slow := refused("")
		for range 20 { // for two seconds
			if _, err := slow.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if slow.open() {
			t.Error("the slow connection is still open")
		}
		large := refused("")
		n, err := large.Write(make([]byte, 10<<20))
		if err == nil || n > 1<<20 {
			t.Errorf("sent %d bytes of a large body, %v", n, err)
		}
		silent := refused("")
		began := time.Now()
		if got := s.dial().get(); got != http.StatusRequestEntityTooLarge {
			t.Errorf("new connection: got status %d", got)
		}
		if took := time.Since(began); took > 500*time.Millisecond || silent.open() {
			t.Errorf("the silent connection was closed after %s, want at most 500ms", took)
		}
	})
}

// refusing responds without reading the body.
func refusing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	_, _ = io.WriteString(w, "too large")
}
