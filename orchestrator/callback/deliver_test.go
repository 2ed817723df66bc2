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

func TestACallbackIsSignedAndTellsOfItsJob(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Secrets = []string{secretA, secretB} })
	to := newTarget(t, nil)
	id := r.job(to.URL + "/hook?x=1")
	r.end(id.Batch, jobs.OutcomeDone)
	for _, err := range r.work() {
		r.must(err)
	}
	got := to.got()
	if len(got) != 1 {
		t.Fatalf("%d calls, want that of the job's event alone", len(got))
	}
	var told struct {
		Type      jobs.EventType
		Timestamp time.Time
		Data      struct {
			ID, URL, State string
			ImageURL       string `json:"image_url"`
		}
	}
	r.must(json.Unmarshal(got[0].body, &told))
	if told.Type != jobs.EventJobDone || told.Data.ID != id.String() || told.Data.State != "done" || told.Data.ImageURL == "" || !told.Timestamp.Equal(r.clock.Now()) {
		t.Errorf("told %s", got[0].body)
	}
	c := r.only()
	if c.State != jobs.CallbackDelivered || c.Status != 200 || c.EventID != got[0].id() || c.Lane != to.URL || c.Job != id || c.Attempts != 1 {
		t.Errorf("kept as %+v", c)
	}
	if h := got[0].header; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "shotline" {
		t.Errorf("headers %v", h)
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
			t.Errorf("signature %d is %s, want %s", i, signatures[i], want)
		}
	}
	if n := r.heard.count("callback_url delivered"); n != 1 {
		t.Errorf("heard of %d", n)
	}
}

// The signature is openssl's: printf 'ID.TIME.BODY' | openssl dgst -sha256 -mac
// HMAC -macopt hexkey:… -binary | base64
func TestSignaturesAreThoseOfOthers(t *testing.T) {
	s, err := newSigner([]string{secretA})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	if err := s.sign(header, "msg_1", time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("webhook-signature"); got != "v1,9o7UeFkn1GjVbcY4emAJruJCYqgH2EIf8u/slvVRBZI=" || header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("signed as %v", header)
	}
}

func TestABatchIsToldOfByItself(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.batch("b1", to.URL, 3)
	r.end("b1", jobs.OutcomeFailed)
	r.work()
	got := to.got()
	if len(got) != 1 || !strings.Contains(string(got[0].body), `"type":"batch.finished"`) || !strings.Contains(string(got[0].body), `"failed":3`) {
		t.Errorf("got %d: %v", len(got), got)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
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
		{"429 in a while", status(429, "Retry-After", "120"), jobs.CallbackOwed, "answered 429", 2 * time.Minute},
		{"429 at once", status(429, "Retry-After", "1"), jobs.CallbackOwed, "answered 429", 5 * time.Second},
		{"429 at a time", status(429, "Retry-After", date), jobs.CallbackOwed, "answered 429", 90 * time.Second},
		{"503 in a year", status(503, "Retry-After", "31536000"), jobs.CallbackOwed, "answered 503", 2 * time.Hour},
		{"503 for ever", status(503, "Retry-After", "9223372036854775807"), jobs.CallbackOwed, "answered 503", 2 * time.Hour},
		{"503 in the past", status(503, "Retry-After", "-9"), jobs.CallbackOwed, "answered 503", 5 * time.Second},
		{"503 and nonsense", status(503, "Retry-After", "soon"), jobs.CallbackOwed, "answered 503", 5 * time.Second},
		{"a cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, jobs.CallbackOwed, "connection closed before the response", 5 * time.Second},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, jobs.CallbackOwed, "timed out", 5 * time.Second},
		{"a body without end", func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<20)); err == nil; _, err = w.Write(make([]byte, 1<<20)) {
			}
		}, jobs.CallbackDelivered, "", 0},
		{"a body that hangs", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, jobs.CallbackDelivered, "", 0},
		{"a head without end", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			for line := "HTTP/1.1 200 OK\r\nX: "; err == nil; line = "x" {
				_, err = conn.Write([]byte(line))
				<-time.After(time.Millisecond) // slower than it would take to be too large
			}
		}, jobs.CallbackOwed, "timed out", 5 * time.Second},
		{"a switch of protocols", switches, jobs.CallbackOwed, outward.ErrNotFinal.Error(), 5 * time.Second},
		{"a huge header", status(200, "X", strings.Repeat("x", 1<<20)), jobs.CallbackOwed, "no usable response", 5 * time.Second},
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
				t.Fatalf("%s %q, want %s %q", c.State, c.Error, tt.state, tt.error)
			}
			if len(to.got()) != 1 {
				t.Errorf("called %d times", len(to.got()))
			}
			if tt.state != jobs.CallbackOwed {
				r.must(ended[0])
				return
			}
			if !c.DueAt.Equal(r.clock.Now().Add(tt.after)) {
				t.Errorf("due after %v, want %v", c.DueAt.Sub(r.clock.Now()), tt.after)
			}
			var again later
			if isAgain := errors.As(ended[0], &again); isAgain != (tt.after <= taskRetry) || isAgain && time.Duration(again) != tt.after {
				t.Errorf("the task ended with %v", ended[0])
			}
		})
	}
}

func TestEveryAttemptHasTheSameIDAndBody(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, status(500))
	id := r.job(to.URL)
	r.end(id.Batch, jobs.OutcomeFailed)
	r.work()
	_, err := r.store.Retry(t.Context(), []jobs.Retry{{Job: id, Attempt: 1, From: []jobs.State{jobs.Failed}}}, r.clock.Now()) // the job moves on
	r.must(err)
	r.clock.pass(time.Hour)
	to.answers(status(200))
	r.work()
	got := to.got()
	if len(got) != 3 || got[0].id() != got[1].id() || string(got[0].body) != string(got[1].body) {
		t.Fatalf("got %d, want the failure twice and the retry: %+v", len(got), got)
	}
	if got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
		t.Error("the time of the second attempt is that of the first")
	}
	if got[2].id() == got[0].id() {
		t.Error("two events with one id")
	}
}

func TestACallbackIsTriedForADayAndThenReplayed(t *testing.T) {
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
			t.Errorf("waits %v", waits)
		}
	}
	if took := r.clock.Now().Sub(began); dead.State != jobs.CallbackDead || took < 20*time.Hour || took > 24*time.Hour || len(to.got()) != dead.Attempts || dead.Attempts < 12 || dead.Attempts > 25 {
		t.Errorf("%s after %d attempts and %v: %v", dead.State, dead.Attempts, took, waits)
	}
	if r.heard.count("callback_url dead") != 1 || r.heard.count("callback_url retried") != len(waits) {
		t.Errorf("heard %v", r.heard.told)
	}
	if !strings.Contains(r.log.String(), "callback given up") {
		t.Errorf("log: %s", r.log)
	}
	replayed, err := r.store.ReplayCallbacks(t.Context(), jobs.CallbackFilter{Seqs: []int64{dead.Seq}}, r.clock.Now())
	r.must(err)
	to.answers(status(200))
	r.work()
	if got := to.got(); replayed != 1 || r.only().State != jobs.CallbackDelivered || got[0].id() != got[len(got)-1].id() {
		t.Errorf("replayed %d: %+v", replayed, r.only())
	}
}

func TestIntervals(t *testing.T) {
	for attempts, want := range map[int]time.Duration{1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 6: 1215 * time.Second, 8: 2 * time.Hour, 1 << 30: 2 * time.Hour} {
		if got := interval(attempts, 0.5); got != want {
			t.Errorf("after %d: %v, want %v", attempts, got, want)
		}
		if low, high := interval(attempts, 0), interval(attempts, 1); low != want*8/10 || high != want*12/10 {
			t.Errorf("after %d: between %v and %v", attempts, low, high)
		}
	}
}

func TestAnAttemptThatIsCutShortIsMadeAgain(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	queued := r.tasks.take()[0]
	ctx, stop := context.WithCancel(t.Context())
	go func() { to.next(t); stop() }()
	if err := r.Deliver(ctx, queued.seq, queued.generation, queued.lane); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v", err)
	}
	if c := r.only(); c.State != jobs.CallbackOwed || c.Error != "" || !c.DueAt.Equal(r.clock.Now()) {
		t.Errorf("put back as %+v", c)
	}
	to.answers(status(200))
	r.must(r.Deliver(t.Context(), queued.seq, queued.generation, queued.lane)) // its task, in another process
	r.deliveredTwice(to)
}

// dying is the store of a process that is killed before it can record an answer.
type dying struct{ Store }

func (dying) SettleCallback(context.Context, jobs.Callback, jobs.CallbackEnd, time.Time, time.Time) error {
	return jobs.ErrUnavailable
}

func TestAKillBetweenTheAnswerAndItsRecordMeansTwice(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.cancel(r.job(to.URL))
	killed := r.another("w1", dying{r.store})
	r.must(killed.WatchOnce(t.Context()))
	queued := r.tasks.take()[0]
	if err := killed.Deliver(t.Context(), queued.seq, queued.generation, queued.lane); !errors.Is(err, jobs.ErrUnavailable) {
		t.Fatalf("ended with %v", err)
	}
	r.Deliverer = r.another("w2", openStore(t, r.path))
	r.must(r.Deliver(t.Context(), queued.seq, queued.generation, queued.lane))
	if r.work(); len(to.got()) != 1 {
		t.Error("made again while it may be under way")
	}
	r.clock.pass(beginTime)
	r.work()
	r.deliveredTwice(to)
}

func (r *rig) deliveredTwice(to *target) {
	r.t.Helper()
	got := to.got()
	if len(got) != 2 || got[0].id() != got[1].id() || string(got[0].body) != string(got[1].body) || r.only().State != jobs.CallbackDelivered {
		r.t.Errorf("got %d, %s", len(got), r.only().State)
	}
}

func TestWhatWasTakenIsRecordedAlsoWhenTheProcessStops(t *testing.T) {
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
	// The answer's head and the stop arrive in either order.
	if c := r.only(); c.State == jobs.CallbackOwed && c.Error != "" {
		t.Errorf("%+v", c)
	}
}

func TestTasksThatComeTwiceOrLateDoNothing(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	first := r.tasks.take()[0]
	r.clock.pass(claimTime)
	r.work() // claimed anew and delivered
	for _, generation := range []int64{first.generation, first.generation + 1, 99} {
		r.must(r.Deliver(t.Context(), first.seq, generation, first.lane))
	}
	r.must(r.Deliver(t.Context(), 12345, 1, first.lane))
	if n := len(to.got()); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

func TestLosingTheQueueLosesNothing(t *testing.T) {
	r := newRig(t)
	to := newTarget(t, nil)
	r.tasks.err = errors.New("redis is away")
	r.cancel(r.job(to.URL))
	if err := r.WatchOnce(t.Context()); err == nil {
		t.Error("no error")
	}
	r.tasks.err = nil
	r.clock.pass(claimTime)
	r.work()
	r.cancel(r.job(to.URL))
	r.must(r.WatchOnce(t.Context()))
	r.tasks.take() // flushed
	r.clock.pass(claimTime)
	r.work()
	if n := len(to.got()); n != 2 {
		t.Errorf("%d delivered", n)
	}
}

func TestWithoutASecretNoURLIsCalled(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Secrets = nil })
	to := newTarget(t, nil)
	if err := r.cfg.CheckURL("https://example.com/"); !errors.Is(err, ErrUnsigned) {
		t.Errorf("taken: %v", err)
	}
	r.cancel(r.job(to.URL))
	r.work()
	if c := r.only(); len(to.got()) != 0 || c.State != jobs.CallbackOwed || !strings.Contains(c.Error, "no secret") {
		t.Errorf("%+v", c)
	}
}

func TestCheckURL(t *testing.T) {
	r := newRig(t)
	for url, isGood := range map[string]bool{"https://example.com/a": true, "http://127.0.0.1:9/": true, "http://10.0.0.1/": false, "http://localhost": true, "ftp://a.example/": false, "": false} {
		if err := r.cfg.CheckURL(url); (err == nil) != isGood {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A URL that was public when it was given, and is in the store.
func TestAPrivateAddressIsNotCalled(t *testing.T) {
	r := newRig(t)
	inside := newTarget(t, nil)
	r.Deliverer = r.another("w1", r.store, func(c *Config) { c.Guard = nil })
	r.cancel(r.job(inside.URL), r.job("http://[::ffff:169.254.169.254]/latest/"))
	r.work()
	for _, c := range r.callbacks() {
		if c.State != jobs.CallbackOwed || c.Error != "not a public address" {
			t.Errorf("%+v", c)
		}
	}
	if len(inside.got()) != 0 {
		t.Error("called")
	}
}
