package receiver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"shotline/receiver"
	"shotline/receiver/signature"
)

// A request that can be refused because of its headers is answered immediately,
// even if the announced body is never sent.
func TestRefusedBeforeTheBody(t *testing.T) {
	const chunked, short, long = "Transfer-Encoding: chunked\r\n", "Content-Length: 1000\r\n", "Content-Length: 1048576\r\n"
	tests := []struct {
		name, method, headers string
		status                int
	}{
		{"unsigned, chunked", "POST", chunked, 401},
		{"unsigned, short", "POST", short, 401},
		{"unsigned, long", "POST", long, 401},
		{"empty signature", "POST", short + "X-Signature: \r\n", 401},
		{"malformed signature", "POST", short + "X-Signature: sha256=ab\r\n", 401},
		{"signed, too long", "POST", long + "X-Signature: " + anySignature + "\r\n", 413},
		{"compressed", "POST", short + "Content-Encoding: gzip\r\n", 415},
		{"wrong method", "PUT", chunked, 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(newReceiver(t, receiver.Config{Inbox: &memoryInbox{}}))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n", tt.method, tt.headers)
			if tt.headers == chunked {
				fmt.Fprint(conn, "5\r\n{\"eve\r\n")
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no response before the body was sent: %v", err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("got status %d, closing %v; want %d and a closed connection", resp.StatusCode, resp.Close, tt.status)
			}
		})
	}
}

// An invalid signature does not close the connection, because the body has been
// read.
func TestMismatchKeepsTheConnection(t *testing.T) {
	server := httptest.NewServer(newReceiver(t, receiver.Config{Inbox: &memoryInbox{}}))
	defer server.Close()
	req, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(goodBody))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Signature", anySignature)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 || resp.Close {
		t.Errorf("got status %d, closing %v; want 401 and an open connection", resp.StatusCode, resp.Close)
	}
}

// sender is a request that has sent a part of its body and has paused.
type sender struct {
	pipe   *io.PipeWriter
	rest   string
	status chan int
}

// stall starts a request and returns after the receiver has read the first sent
// bytes of text.
func stall(r http.Handler, text string, sent int, sign string) *sender {
	out, in := io.Pipe()
	s := &sender{pipe: in, rest: text[sent:], status: make(chan int, 1)}
	req := httptest.NewRequest(http.MethodPost, "/", out)
	req.Header.Set("X-Signature", sign)
	go func() {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		out.CloseWithError(errors.New("answered")) // as the server does
		s.status <- w.Code
	}()
	_, _ = io.WriteString(in, text[:sent]) // ignore the error: if the request is refused, the status shows it
	return s
}

// finish sends the rest of the body and returns the status of the response. If
// err is not nil, the body ends with that error.
func (s *sender) finish(err error) int {
	_, _ = io.WriteString(s.pipe, s.rest)
	_ = s.pipe.CloseWithError(err) // always returns nil
	return <-s.status
}

const (
	testCap    = 8 << 10
	testBudget = 17 << 10 // four first chunks of 4 KiB; two bodies of testCap would need the last quarter
)

func TestBudgetExhaustedAndRecovered(t *testing.T) {
	inbox := &memoryInbox{}
	r := newReceiver(t, receiver.Config{Inbox: inbox, MaxBody: testCap, MaxInFlight: testBudget})
	good, broken := signature.Sign(secret, []byte(goodBody)), `{"event":`
	large := strings.Repeat(" ", testCap+1)
	// Each round uses the whole budget, so it fails if an earlier round did not
	// release all of it.
	for round := uint64(1); round <= 3; round++ {
		stalled := []*sender{
			stall(r, goodBody, 1, good),
			stall(r, goodBody, 1, anySignature),
			stall(r, broken, 1, signature.Sign(secret, []byte(broken))),
			stall(r, large, 1, anySignature),
		}
		w := post(r, goodBody)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Connection") != "close" {
			t.Fatalf("round %d: got status %d %v with the budget in use", round, w.Code, w.Header())
		}
		if got := r.Counts()[receiver.Busy]; got != round {
			t.Fatalf("round %d: counted %d as busy", round, got)
		}
		if got := stalled[0].finish(nil); got != 200 {
			t.Errorf("the request in flight: got status %d", got)
		}
		if w := post(r, goodBody); w.Code != 200 {
			t.Fatalf("round %d: got status %d after release", round, w.Code)
		}
		if got := stalled[1].finish(errors.New("gone")); got != 400 {
			t.Errorf("cut off: got status %d", got)
		}
		if got := stalled[2].finish(nil); got != 400 {
			t.Errorf("malformed: got status %d", got)
		}
		if got := stalled[3].finish(nil); got != 413 {
			t.Errorf("too large: got status %d", got)
		}
		if got := stall(r, goodBody, 1, anySignature).finish(nil); got != 401 {
			t.Errorf("mismatch: got status %d", got)
		}
	}
	if len(inbox.kept) != 6 {
		t.Errorf("stored %d, want 2 in each round", len(inbox.kept))
	}
}

// A body uses the budget until StoreDelivery returns, and its share is released even if
// StoreDelivery panics.
func TestBudgetHoldsUntilKept(t *testing.T) {
	entered, proceed := make(chan struct{}, 5), make(chan struct{})
	inbox := &memoryInbox{keep: func(ctx context.Context) error {
		entered <- struct{}{}
		select {
		case <-proceed:
		case <-ctx.Done():
		}
		panic(http.ErrAbortHandler)
	}}
	r := newReceiver(t, receiver.Config{Inbox: inbox, MaxBody: testCap, MaxInFlight: testBudget, Timeout: 10 * time.Second})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			defer func() { _ = recover() }() // as the server does
			post(r, goodBody)
		})
		<-entered
	}
	if w := post(r, goodBody); w.Code != 503 || r.Counts()[receiver.Busy] != 1 {
		t.Errorf("got status %d while four deliveries are being stored", w.Code)
	}
	close(proceed)
	senders.Wait()
	inbox.keep = nil
	if w := post(r, goodBody); w.Code != 200 {
		t.Errorf("got status %d after release", w.Code)
	}
}

// Large bodies can use only three quarters of the budget. The rest is for small
// bodies.
func TestLargeBodiesDoNotBlockSmallOnes(t *testing.T) {
	r := newReceiver(t, receiver.Config{Inbox: &memoryInbox{}, MaxBody: testCap, MaxInFlight: testBudget})
	large := goodBody + strings.Repeat(" ", testCap-len(goodBody))
	sign := signature.Sign(secret, []byte(large))
	first := stall(r, large, 5<<10, sign)
	if got := stall(r, large, 5<<10, sign).finish(nil); got != 503 {
		t.Errorf("a second large body: got status %d, want 503", got)
	}
	if w := post(r, goodBody); w.Code != 200 {
		t.Errorf("a small body: got status %d", w.Code)
	}
	if got := first.finish(nil); got != 200 {
		t.Errorf("the first large body: got status %d", got)
	}
	if got := stall(r, large, 5<<10, sign).finish(nil); got != 200 {
		t.Errorf("after release: got status %d", got)
	}
}

// bufferChecker is a body that fills every read buffer and records the largest
// excess of a buffer over the expected size.
type bufferChecker struct {
	left, sent, excess int
}

func (o *bufferChecker) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	o.excess = max(o.excess, len(p)-max(16<<10, o.sent/8))
	n := min(len(p), o.left) // the content does not matter
	o.left, o.sent = o.left-n, o.sent+n
	return n, nil
}

// The size of the buffer depends on the bytes received, not on the announced
// length.
func TestBufferFollowsTheReceivedBytes(t *testing.T) {
	r := newReceiver(t, receiver.Config{Inbox: &memoryInbox{}, MaxBody: 1 << 20})
	for range 2 { // the second time with reused chunks
		source := &bufferChecker{left: 1 << 20}
		req := httptest.NewRequest(http.MethodPost, "/", source)
		req.ContentLength = 1 << 20
		req.Header.Set("X-Signature", anySignature)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != 401 || source.left != 0 {
			t.Errorf("got status %d with %d bytes unread, want 401 and 0", w.Code, source.left)
		}
		if source.excess > 0 {
			t.Errorf("a buffer was %d bytes too large", source.excess)
		}
	}
}
