package simulation

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"shotline/jobs"
)

const (
	callbackSecret = "whsec_c2hvdGxpbmUgYW5kIGl0cyBhdWRpZW5jZSBzaGFyZSB0aGlz"
	// callbackRetry is how long a callback is retried: far shorter than the default
	// of a day.
	callbackRetry = 2 * time.Minute
	// longestDelay is the longest delay that a target requests with Retry-After.
	longestDelay = 20 * time.Second
	callHang     = 15 * time.Second // timeout of an attempt
)

// sinks are the sinks of every serve. A seed has none of them, the first, or
// both.
var sinks = []string{"log:all+screenshot.foreign=https://log.test/in", "alarm:failures=https://alarm.test/in"}

// hosts are the hosts of the targets: first those of the sinks, in their order.
var hosts = []string{"log.test", "alarm.test", "shop.test", "crm.test"}

// targets simulates the programs that receive callbacks, and records what they
// received.
type targets struct {
	w *world

	mu        sync.Mutex
	downUntil map[string]time.Time // when a host that is down comes back
	callbacks map[callbackKey]*sentCallback
	turn      int // grows with each record about an attempt
}

type callbackKey struct{ id, url string }

// sentCallback is one event that was sent to one target.
type sentCallback struct {
	body         []byte
	lastReaction reaction  // to the last call
	taken        bool      // the target has accepted it at least once
	gone         bool      // the target has answered 410 at least once
	retryAfter   time.Time // from the last response; zero if it had none
	endTurn      int       // the turn in which the end of an attempt was recorded
	finished     bool      // no attempt may begin after endTurn
	notBefore    time.Time // no attempt that begins after endTurn may be sent before this
}

// reaction is a target's reaction to a call.
type reaction int

const (
	accepts            reaction = iota
	acceptsKillsCaller          // accepts the call, but the caller dies before it has recorded the response
	acceptsNoAnswer             // accepts the call, but does not answer
	hangs                       // neither accepts the call nor answers
	refusesConn                 // refuses the connection
	serverError                 // answers 500
	rateLimits                  // answers 429 or 503 with Retry-After
	redirects                   // answers 302
	answersGone                 // answers 410
)

// react draws the reaction of a host to a call.
func (t *targets) react(host string) reaction {
	p, d := t.w.profile, t.w.random
	t.mu.Lock()
	isDown := host == p.mute || time.Now().Before(t.downUntil[host])
	t.mu.Unlock()
	switch {
	case isDown && t.w.faultFree:
		return refusesConn
	case isDown:
		return oneOf(d, []reaction{refusesConn, refusesConn, hangs, serverError})
	case t.w.faultFree || !d.chance(p.unheard):
		return accepts
	}
	return oneOf(d, []reaction{acceptsKillsCaller, acceptsKillsCaller, acceptsNoAnswer, hangs, refusesConn, serverError, serverError, rateLimits, rateLimits, redirects, answersGone})
}

// RoundTrip implements http.RoundTripper. All processes call all targets through
// it. It stops before the request is sent, and after a call that got no answer.
func (t *targets) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	id, url := r.Header.Get("webhook-id"), r.URL.String()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	t.w.stops.at(ctx, "call %s about %s", url, id)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	sent := t.record(activityOf(ctx), callbackKey{id, url}, body)
	t.w.checker.checkCallback(url, r.Header, body)
	got := t.react(r.URL.Host)
	t.w.trace.add("  %s hears of %s: %d", url, id, got)
	t.w.figures.Calls++
	t.mu.Lock()
	sent.taken = sent.taken || got == accepts || got == acceptsKillsCaller || got == acceptsNoAnswer
	sent.lastReaction, sent.gone = got, sent.gone || got == answersGone
	t.mu.Unlock()
	switch got {
	case acceptsKillsCaller:
		by := activityOf(ctx).process
		t.w.trace.add("%s dies", by.name)
		by.dead.Store(true)
		return respond(r, http.StatusOK), nil
	case acceptsNoAnswer, refusesConn:
		return nil, errors.New("connection reset")
	case hangs:
		<-ctx.Done()
		// Several calls can end at the same time. Stop, so that the scheduler decides
		// which of them continues first.
		t.w.stops.at(ctx, "no answer of %s about %s", url, id)
		return nil, ctx.Err()
	case serverError:
		return respond(r, http.StatusInternalServerError), nil
	case redirects:
		moved := respond(r, http.StatusFound)
		moved.Header.Set("Location", "https://elsewhere.test/")
		return moved, nil
	case rateLimits:
		return t.limit(r, sent), nil
	case answersGone:
		return respond(r, http.StatusGone), nil
	}
	return respond(r, http.StatusOK), nil
}

// limit answers with a Retry-After header, in seconds or as a date.
func (t *targets) limit(r *http.Request, sent *sentCallback) *http.Response {
	d := t.w.random
	limited := respond(r, oneOf(d, []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}))
	until := time.Now().Add(d.span(time.Second, longestDelay)).Truncate(time.Second)
	wait := max(time.Until(until).Truncate(time.Second), 0)
	if d.chance(0.5) {
		limited.Header.Set("Retry-After", until.UTC().Format(http.TimeFormat))
	} else {
		until = time.Now().Add(wait)
		limited.Header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	t.mu.Lock()
	sent.retryAfter = until
	t.mu.Unlock()
	return limited
}

func respond(r *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}

// record records a call. Its body must be the same as in the call before. A
// recorded end and a Retry-After bind only attempts that began after the end was
// recorded; older attempts might still be sent.
func (t *targets) record(by *activity, key callbackKey, body []byte) *sentCallback {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.callbacks[key]
	if sent == nil {
		sent = &sentCallback{body: body}
		t.callbacks[key] = sent
	}
	switch bound := by.attempt > sent.endTurn; {
	case string(sent.body) != string(body):
		t.w.fail("P5", "%s received %s with different bodies: %q, then %q", key.url, key.id, sent.body, body)
	case sent.finished && bound:
		t.w.fail("P5", "%s received %s after its end was recorded", key.url, key.id)
	case time.Now().Before(sent.notBefore) && bound:
		t.w.fail("P5", "%s received %s before the time in Retry-After", key.url, key.id)
	}
	sent.retryAfter = time.Time{}
	return sent
}

// attemptBegun is called when the begin of an attempt is recorded in the store.
func (t *targets) attemptBegun(by *activity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn++
	by.attempt = t.turn
}

// attemptSettled is called when the end of an attempt is recorded in the store.
func (t *targets) attemptSettled(c jobs.Callback, end jobs.CallbackEnd) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent := t.callbacks[callbackKey{c.EventID, addressOf(c.Target)}]; sent != nil {
		t.turn++
		sent.endTurn = t.turn
		sent.finished = sent.lastReaction == answersGone || end.State != jobs.CallbackOwed
		sent.notBefore = sent.retryAfter
	}
}

// allowRepeats is called when an operator has all undelivered callbacks sent
// again.
func (t *targets) allowRepeats() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sent := range t.callbacks {
		sent.finished, sent.notBefore = false, time.Time{}
	}
}

// result reports whether the target has accepted the event, and whether it has
// answered 410.
func (t *targets) result(key callbackKey) (taken, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.callbacks[key]
	return sent != nil && sent.taken, sent != nil && sent.gone
}

// takeDown takes a host down for a short or a very long time.
func (t *targets) takeDown() {
	host := oneOf(t.w.random, hosts)
	span := t.w.random.span(10*time.Second, 2*callbackRetry)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.downUntil[host] = time.Now().Add(span)
	t.w.trace.add("%s goes away for %s", host, span)
}

// addressOf returns the URL of a target.
func addressOf(to jobs.Target) string {
	if to.Sink != "" {
		return fmt.Sprintf("https://%s.test/in", to.Sink)
	}
	return to.URL
}

// hasSink reports whether this seed has the sink.
func (p profile) hasSink(sink string) bool { return slices.Index(hosts, sink+".test") < p.sinks }
