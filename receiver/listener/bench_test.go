package listener_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"shotline/receiver/listener"
)

// BenchmarkRequest measures one request with a small body on a reused connection,
// with and without the guard.
func BenchmarkRequest(b *testing.B) {
	for _, guarded := range []bool{false, true} {
		name := map[bool]string{false: "bare", true: "guarded"}[guarded]
		b.Run(name, func(b *testing.B) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			web := &http.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			})}
			accepting := inner
			if guarded {
				l := listener.New(inner, listener.Config{MaxConnections: 100, BodyStep: 3 * time.Second})
				l.Guard(web)
				accepting = l
			}
			served := make(chan error, 1)
			go func() { served <- web.Serve(accepting) }()
			conn, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			answers := bufio.NewReader(conn)
			request := []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				response, err := http.ReadResponse(answers, nil)
				if err != nil {
					b.Fatal(err)
				}
				response.Body.Close()
			}
			conn.Close()
			if err := web.Close(); err != nil {
				b.Fatal(err)
			}
			<-served
		})
	}
}
