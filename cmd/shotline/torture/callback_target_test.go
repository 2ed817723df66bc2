package torture

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const callbackSecret = "whsec_dG9ydHVyZSBvZiBjYWxsYmFja3Mgd2l0aG91dCBlbmQ="

// callbackTarget is a server that receives callbacks, for the sink and for the
// callback URLs of orders. It accepts some, refuses some, and drops the response
// of some.
type callbackTarget struct {
	url     string
	library *standardwebhooks.Webhook

	mu         sync.Mutex
	random     *rand.Rand
	acceptsAll bool
	calls      map[call]*received
	errors     []string
}

// call identifies an event for a target. The path identifies the target.
type call struct{ id, path string }

// received records the requests of a call.
type received struct {
	body     [sha256.Size]byte
	times    int
	repeats  int // requests after it was accepted
	accepted bool
	gone     bool // answered 410
}

const (
	sinkPath  = "/sink"
	orderPath = "/order/" // followed by the tag of the order
)

func newCallbackTarget(t *testing.T, seed int64) *callbackTarget {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := &callbackTarget{
		url: "http://" + listener.Addr().String(), library: library,
		random: rand.New(rand.NewPCG(uint64(seed), 0xea5)), calls: map[call]*received{},
	}
	server := &http.Server{Handler: target}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return target
}

// ServeHTTP accepts a callback or fails in a random way.
func (t *callbackTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	status := t.receive(call{r.Header.Get(standardwebhooks.HeaderWebhookID), r.URL.Path}, r.Header, body)
	switch status {
	case 0:
		panic(http.ErrAbortHandler) // closes the connection
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	case http.StatusFound:
		w.Header().Set("Location", t.url+"/elsewhere")
	}
	w.WriteHeader(status)
}

// receive records a callback and returns the status of the response. 0 means no
// response.
func (t *callbackTarget) receive(c call, header http.Header, body []byte) (status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.library.Verify(body, header); err != nil {
		t.errors = append(t.errors, c.path+" got "+c.id+": "+err.Error())
		return http.StatusUnauthorized
	}
	got, sum := t.calls[c], sha256.Sum256(body)
	switch {
	case got == nil:
		got = &received{body: sum}
		t.calls[c] = got
	case got.body != sum:
		t.errors = append(t.errors, c.path+" got "+c.id+" with different bodies")
	}
	got.times++
	if got.accepted {
		got.repeats++
	}
	status = t.randomStatus(c)
	got.accepted = got.accepted || status == http.StatusOK || status == 0
	got.gone = got.gone || status == http.StatusGone
	return status
}

// randomStatus returns a random status. A callback without a response counts as
// accepted. The caller must hold the lock.
func (t *callbackTarget) randomStatus(c call) int {
	n := t.random.IntN(100)
	switch {
	case t.acceptsAll || n >= 30:
		return http.StatusOK
	case n < 10:
		return 0
	case n < 12 && strings.HasPrefix(c.path, orderPath):
		return http.StatusGone
	case n < 18:
		return http.StatusTooManyRequests
	case n < 20:
		return http.StatusFound
	default:
		return http.StatusInternalServerError
	}
}

func (t *callbackTarget) acceptAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acceptsAll = true
}

// count returns the number of callbacks, and how many of them had been accepted
// before.
func (t *callbackTarget) count() (calls, repeats int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, got := range t.calls {
		calls += got.times
		repeats += got.repeats
	}
	return calls, repeats
}
