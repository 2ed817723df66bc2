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

// ear is a program that callbacks go to: the sink, and the URLs that come with
// orders. It takes one in its own time, or not, or does not say that it has.
type ear struct {
	url     string
	library *standardwebhooks.Webhook

	mu     sync.Mutex
	random *rand.Rand
	calm   bool // it takes everything
	heard  map[call]*report
	flaws  []string
}

// call is an event towards one target, by the path of that.
type call struct{ id, path string }

// report is what the ear heard of it.
type report struct {
	body  [sha256.Size]byte
	times int
	again int // after it was taken
	taken bool
	gone  bool // answered 410
}

const (
	sinkPath  = "/sink"
	orderPath = "/order/" // and the order's tag
)

func newEar(t *testing.T, seed int64) *ear {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{
		url: "http://" + listener.Addr().String(), library: library,
		random: rand.New(rand.NewPCG(uint64(seed), 0xea5)), heard: map[call]*report{},
	}
	server := &http.Server{Handler: e}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return e
}

// ServeHTTP takes a callback, or fails in one of the ways that targets have.
func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller was killed
	}
	status := e.hear(call{r.Header.Get(standardwebhooks.HeaderWebhookID), r.URL.Path}, r.Header, body)
	switch status {
	case 0:
		panic(http.ErrAbortHandler) // the connection is cut
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	case http.StatusFound:
		w.Header().Set("Location", e.url+"/elsewhere")
	}
	w.WriteHeader(status)
}

// hear notes a callback and draws the answer; 0 is none.
func (e *ear) hear(c call, header http.Header, body []byte) (status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.library.Verify(body, header); err != nil {
		e.flaws = append(e.flaws, c.path+" got "+c.id+": "+err.Error())
		return http.StatusUnauthorized
	}
	one, sum := e.heard[c], sha256.Sum256(body)
	switch {
	case one == nil:
		one = &report{body: sum}
		e.heard[c] = one
	case one.body != sum:
		e.flaws = append(e.flaws, c.path+" got "+c.id+" in two wordings")
	}
	one.times++
	if one.taken {
		one.again++
	}
	status = e.answer(c)
	one.taken = one.taken || status == http.StatusOK || status == 0
	one.gone = one.gone || status == http.StatusGone
	return status
}

// answer is called with the lock held. What is cut off was taken.
func (e *ear) answer(c call) int {
	dice := e.random.IntN(100)
	switch {
	case e.calm || dice >= 30:
		return http.StatusOK
	case dice < 10:
		return 0
	case dice < 12 && strings.HasPrefix(c.path, orderPath):
		return http.StatusGone
	case dice < 18:
		return http.StatusTooManyRequests
	case dice < 20:
		return http.StatusFound
	default:
		return http.StatusInternalServerError
	}
}

func (e *ear) settleDown() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calm = true
}

// count is how often callbacks came, and how often to who had taken them before.
func (e *ear) count() (calls, again int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.heard {
		calls += one.times
		again += one.again
	}
	return calls, again
}
