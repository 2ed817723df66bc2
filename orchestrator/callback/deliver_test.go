package callback

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shotline/client/outward"
	"shotline/jobs"
)

func TestCallbackIsSignedAndHasItsJob(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Secrets = []string{secretA, secretB} })
	to := newTarget(t, nil)
	id := r.job(to.URL + "/hook?x=1")
	r.end(id.Batch, jobs.OutcomeDone)
	for _, err := range r.work() {
		r.must(err)
	}
	got := to.got()
	if len(got) != 1 {
		t.Fatalf("got %d calls, want 1 for the job's event", len(got))
	}
	var message struct {
		Type      jobs.EventType
		Timestamp time.Time
		Data      struct {
			ID, URL, State string
			ImageURL       string `json:"image_url"`
		}
	}
	r.must(json.Unmarshal(got[0].body, &message))
	if message.Type != jobs.EventJobDone || message.Data.ID != id.String() || message.Data.State != "done" || message.Data.ImageURL == "" || !message.Timestamp.Equal(r.clock.Now()) {
		t.Errorf("got body %s", got[0].body)
	}
	c := r.only()
	if c.State != jobs.CallbackDelivered || c.Status != 200 || c.EventID != got[0].id() || c.Lane != to.URL || c.Job != id || c.Attempts != 1 {
		t.Errorf("got callback %+v", c)
	}
	if h := got[0].header; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "shotline" {
		t.Errorf("got headers %v", h)
	}
	signatures := strings.Split(got[0].header.Get("webhook-signature"), " ")
	for i, secret := range []string{secretA, secretB} {
		library, err := standardwebhooks.NewWebhook(secret)
		r.must(err)
		r.must(library.VerifyIgnoringTimestamp(got[0].body, got[0].header))
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		r.must(err)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(got[0].id() + "." + got[0].header.Get("webhook-timestamp") + "."))
		mac.Write(got[0].body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signatures[i] != want {
			t.Errorf("got signature %d = %s, want %s", i, signatures[i], want)
		}
	}
	if n := r.attempts.count("callback_url delivered"); n != 1 {
		t.Errorf("observer got %d deliveries", n)
	}
}

// The signature is the output of printf 'ID.TIME.BODY' | openssl dgst -sha256
// -mac HMAC -macopt hexkey:… -binary | base64
func TestSignatureEqualsThatOfOpenSSL(t *testing.T) {
	s, err := newSigner([]string{secretA})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	if err := s.sign(header, "msg_1", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("webhook-signature"); got != "v1,9o7UeFkn1GjVbcY4emAJruJCYqgH2EIf8u/slvVRBZI=" || header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("got headers %v", header)
	}
}

func TestBatchURLReceivesOnlyTheBatch(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.batch("b1", to.URL, 3)
	r.end("b1", jobs.OutcomeFailed)
	r.work()
	got := to.got()
	if len(got) != 1 || !strings.Contains(string(got[0].body), `"type":"batch.finished"`) || !strings.Contains(string(got[0].body), `"failed":3`) {
		t.Errorf("got %d callbacks %v, want one of the batch", len(got), got)
	}
}

func TestResponses(t *testing.T) {
	date := newClock().Now().Add(90 * time.Second).Format(http.TimeFormat)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		state  jobs.CallbackState
		error  string
		after  time.Duration
	}{
		{"200", status(200), jobs.CallbackDelivered, "", 0},
		{"202", status(202), jobs.CallbackDelivered, "", 0},
		{"204", status(204), jobs.CallbackDelivered, "", 0},
		{"301", status(301, "Location", "http://127.0.0.1:1/"), jobs.CallbackOwed, "answered 301: redirects are not followed", 5 * time.Second},
		{"307", status(307, "Location", "http://169.254.169.254/"), jobs.CallbackOwed, "answered 307: redirects are not followed", 5 * time.Second},
		{"400", status(400), jobs.CallbackOwed, "answered 400", 5 * time.Second},
		{"404", status(404), jobs.CallbackOwed, "answered 404", 5 * time.Second},
		{"410", status(410), jobs.CallbackDead, "answered 410", 0},
		{"500", status(500, "Retry-After", "600"), jobs.CallbackOwed, "answered 500", 5 * time.Second},
		{"429", status(429), jobs.CallbackOwed, "answered 429", 5 * time.Second},
		{"429 with seconds", status(429, "Retry-After", "120"), jobs.CallbackOwed, "answered 429", 2 * time.Minute},
		{"429 with a short time", status(429, "Retry-After", "1"), jobs.CallbackOwed, "answered 429", 5 * time.Second},
		{"429 with a date", status(429, "Retry-After", date), jobs.CallbackOwed, "answered 429", 90 * time.Second},
		{"503 for a year", status(503, "Retry-After", "31536000"), jobs.CallbackOwed, "answered 503", 2 * time.Hour},
		{"503 with the largest number", status(503, "Retry-After", "9223372036854775807"), jobs.CallbackOwed, "answered 503", 2 * time.Hour},
		{"503 in the past", status(503, "Retry-After", "-9"), jobs.CallbackOwed, "answered 503", 5 * time.Second},
		{"503 with an invalid time", status(503, "Retry-After", "soon"), jobs.CallbackOwed, "answered 503", 5 * time.Second},
		{"connection cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, jobs.CallbackOwed, "connection closed before the response", 5 * time.Second},
		{"no response", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, jobs.CallbackOwed, "timed out", 5 * time.Second},
		{"endless body", func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<20)); err == nil; _, err = w.Write(make([]byte, 1<<20)) {
			}
		}, jobs.CallbackDelivered, "", 0},
		{"hanging body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, jobs.CallbackDelivered, "", 0},
		{"endless header", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			for line := "HTTP/1.1 200 OK\r\nX: "; err == nil; line = "x" {
				_, err = conn.Write([]byte(line))
				<-time.After(time.Millisecond) // the timeout comes before the size limit
			}
		}, jobs.CallbackOwed, "timed out", 5 * time.Second},
		{"switched protocols", switchProtocols, jobs.CallbackOwed, outward.ErrNotFinal.Error(), 5 * time.Second},
		{"huge header", status(200, "X", strings.Repeat("x", 1<<20)), jobs.CallbackOwed, "no usable response", 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if tt.error == "timed out" {
				r.client.Timeout = 300 * time.Millisecond
			}
			to := newTarget(t, tt.answer)
			r.cancel(r.job(to.URL))
			ended := r.work()
			c := r.only()
			if c.State != tt.state || c.Error != tt.error {
				t.Fatalf("got %s %q, want %s %q", c.State, c.Error, tt.state, tt.error)
			}
			if len(to.got()) != 1 {
				t.Errorf("target was called %d times, want once", len(to.got()))
			}
			if tt.state != jobs.CallbackOwed {
				r.must(ended[0])
				return
			}
			if !c.DueAt.Equal(r.clock.Now().Add(tt.after)) {
				t.Errorf("got due after %v, want %v", c.DueAt.Sub(r.clock.Now()), tt.after)
			}
			var again retryError
			if isAgain := errors.As(ended[0], &again); isAgain != (tt.after <= taskRetry) || isAgain && time.Duration(again) != tt.after {
				t.Errorf("Deliver returned %v", ended[0])
			}
		})
	}
}

func TestAttemptsHaveTheSameIDAndBody(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, status(500))
	id := r.job(to.URL)
	r.end(id.Batch, jobs.OutcomeFailed)
	r.work()
	_, err := r.store.Retry(t.Context(), []jobs.Retry{{Job: id, Attempt: 1, From: []jobs.State{jobs.Failed}}}, r.clock.Now()) // another event of the same job
	r.must(err)
	r.clock.pass(time.Hour)
	to.setAnswer(status(200))
	r.work()
	got := to.got()
	if len(got) != 3 || got[0].id() != got[1].id() || string(got[0].body) != string(got[1].body) {
		t.Fatalf("got %d callbacks, want the failure twice and the retry: %+v", len(got), got)
	}
	if got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
		t.Error("both attempts have the same timestamp")
	}
	if got[2].id() == got[0].id() {
		t.Error("two events have the same id")
	}
}

func TestCallbackIsRetriedForADayAndReplayed(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, status(500))
	r.cancel(r.job(to.URL))
	began, waits := r.clock.Now(), []time.Duration{}
	for r.work(); r.only().State == jobs.CallbackOwed; r.work() {
		wait := r.only().DueAt.Sub(r.clock.Now())
		waits = append(waits, wait)
		r.clock.pass(wait + wakeGrace)
	}
	dead := r.only()
	for i := 1; i < len(waits); i++ {
		if waits[i] < waits[i-1] {
			t.Errorf("got waits %v, want increasing ones", waits)
		}
	}
	if took := r.clock.Now().Sub(began); dead.State != jobs.CallbackDead || took < 20*time.Hour || took > 24*time.Hour || len(to.got()) != dead.Attempts || dead.Attempts < 12 || dead.Attempts > 25 {
		t.Errorf("got %s after %d attempts and %v, with waits %v", dead.State, dead.Attempts, took, waits)
	}
	if r.attempts.count("callback_url dead") != 1 || r.attempts.count("callback_url retried") != len(waits) {
		t.Errorf("observer got %v", r.attempts.counts)
	}
	if !strings.Contains(r.log.String(), "callback given up") {
		t.Errorf("got log %s", r.log)
	}
	replayed, err := r.store.ReplayCallbacks(t.Context(), jobs.CallbackFilter{Seqs: []int64{dead.Seq}}, r.clock.Now())
	r.must(err)
	to.setAnswer(status(200))
	r.work()
	if got := to.got(); replayed != 1 || r.only().State != jobs.CallbackDelivered || got[0].id() != got[len(got)-1].id() {
		t.Errorf("got %d replayed: %+v", replayed, r.only())
	}
}

func TestIntervals(t *testing.T) {
	for attempts, want := range map[int]time.Duration{1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 6: 1215 * time.Second, 8: 2 * time.Hour, 1 << 30: 2 * time.Hour} {
		if got := interval(attempts, 0.5); got != want {
			t.Errorf("after %d attempts: got %v, want %v", attempts, got, want)
		}
		if low, high := interval(attempts, 0), interval(attempts, 1); low != want*8/10 || high != want*12/10 {
			t.Errorf("after %d attempts: got %v to %v", attempts, low, high)
		}
	}
}

func TestCanceledAttemptIsRepeated(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	queued := r.tasks.take()[0]
	ctx, stop := context.WithCancel(t.Context())
	go func() { to.next(t); stop() }()
	if err := r.Deliver(ctx, queued.seq, queued.generation, queued.lane); !errors.Is(err, context.Canceled) {
		t.Fatalf("Deliver returned %v", err)
	}
	if c := r.only(); c.State != jobs.CallbackOwed || c.Error != "" || !c.DueAt.Equal(r.clock.Now()) {
		t.Errorf("got %+v, want it due at once", c)
	}
	to.setAnswer(status(200))
	r.must(r.Deliver(t.Context(), queued.seq, queued.generation, queued.lane)) // the same task, in another process
	r.deliveredTwice(to)
}

// failingStore does not store results, as if the process was killed after the
// response.
type failingStore struct{ Store }

func (failingStore) SettleCallback(context.Context, jobs.Callback, jobs.CallbackEnd, time.Time, time.Time) error {
	return jobs.ErrUnavailable
}

func TestCrashBeforeTheResultIsStoredRepeatsTheCallback(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.cancel(r.job(to.URL))
	killed := r.newDeliverer("w1", failingStore{r.store})
	r.must(killed.WatchOnce(t.Context()))
	queued := r.tasks.take()[0]
	if err := killed.Deliver(t.Context(), queued.seq, queued.generation, queued.lane); !errors.Is(err, jobs.ErrUnavailable) {
		t.Fatalf("Deliver returned %v", err)
	}
	r.Deliverer = r.newDeliverer("w2", openStore(t, r.path))
	r.must(r.Deliver(t.Context(), queued.seq, queued.generation, queued.lane))
	if r.work(); len(to.got()) != 1 {
		t.Error("attempted again while the first attempt might be under way")
	}
	r.clock.pass(beginTime)
	r.work()
	r.deliveredTwice(to)
}

func (r *rig) deliveredTwice(to *target) {
	r.t.Helper()
	got := to.got()
	if len(got) != 2 || got[0].id() != got[1].id() || string(got[0].body) != string(got[1].body) || r.only().State != jobs.CallbackDelivered {
		r.t.Errorf("got %d calls and state %s, want 2 and delivered", len(got), r.only().State)
	}
}

func TestResultIsStoredWhenTheProcessStops(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	to := newTarget(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		stop()
	})
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	queued := r.tasks.take()
	_ = r.Deliver(ctx, queued[0].seq, queued[0].generation, queued[0].lane)
	// The response and the stop can arrive in either order.
	if c := r.only(); c.State == jobs.CallbackOwed && c.Error != "" {
		t.Errorf("got callback %+v", c)
	}
}

func TestRepeatedAndLateTasksDoNothing(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	first := r.tasks.take()[0]
	r.clock.pass(claimTime)
	r.work() // claims it again and delivers it
	for _, generation := range []int64{first.generation, first.generation + 1, 99} {
		r.must(r.Deliver(t.Context(), first.seq, generation, first.lane))
	}
	r.must(r.Deliver(t.Context(), 12345, 1, first.lane))
	if n := len(to.got()); n != 1 {
		t.Errorf("got %d deliveries, want 1", n)
	}
}

func TestLostTasksAreEnqueuedAgain(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.tasks.err = errors.New("redis is unavailable")
	r.cancel(r.job(to.URL))
	if err := r.WatchOnce(t.Context()); err == nil {
		t.Error("WatchOnce returned no error without a queue")
	}
	r.tasks.err = nil
	r.clock.pass(claimTime)
	r.work()
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	r.tasks.take() // drop the task
	r.clock.pass(claimTime)
	r.work()
	if n := len(to.got()); n != 2 {
		t.Errorf("got %d deliveries, want 2", n)
	}
}

func TestWithoutASecretNoURLIsCalled(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Secrets = nil })
	to := newTarget(t, nil)
	if err := r.cfg.CheckURL("https://example.com/"); !errors.Is(err, ErrUnsigned) {
		t.Errorf("got %v, want ErrUnsigned", err)
	}
	r.cancel(r.job(to.URL))
	r.work()
	if c := r.only(); len(to.got()) != 0 || c.State != jobs.CallbackOwed || !strings.Contains(c.Error, "no secret") {
		t.Errorf("got callback %+v", c)
	}
}

func TestCheckURL(t *testing.T) {
	r := newRig(t)
	for url, isValid := range map[string]bool{"https://example.com/a": true, "http://127.0.0.1:9/": true, "http://10.0.0.1/": false, "http://localhost": true, "ftp://a.example/": false, "": false} {
		if err := r.cfg.CheckURL(url); (err == nil) != isValid {
			t.Errorf("CheckURL(%q) = %v", url, err)
		}
	}
}

// The URL is in the store, since its host was public when it was submitted.
func TestPrivateAddressIsNotCalled(t *testing.T) {
	r := newRig(t)
	inside := newTarget(t, nil)
	r.Deliverer = r.newDeliverer("w1", r.store, func(c *Config) { c.Guard = nil })
	r.cancel(r.job(inside.URL), r.job("http://[::ffff:169.254.169.254]/latest/"))
	r.work()
	for _, c := range r.callbacks() {
		if c.State != jobs.CallbackOwed || c.Error != "not a public address" {
			t.Errorf("got callback %+v", c)
		}
	}
	if len(inside.got()) != 0 {
		t.Error("a private address was called")
	}
}
