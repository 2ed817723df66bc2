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
	// callbackRetry is for how long a callback is tried, far shorter than a day.
	callbackRetry = 2 * time.Minute
	// longestDelay is how long a target asks to be left alone at most.
	longestDelay = 20 * time.Second
	callHang     = 15 * time.Second // after which an attempt is given up
)

// sinks are those of every serve; a seed has none, the first, or both.
var sinks = []string{"log:all+screenshot.foreign=https://log.test/in", "alarm:failures=https://alarm.test/in"}

// hosts are where callbacks go: those of the sinks come first, in their order.
var hosts = []string{"log.test", "alarm.test", "shop.test", "crm.test"}

// audience is the programs that are told of events, and what they were told.
type audience struct {
	w *world

	mu       sync.Mutex
	away     map[string]time.Time // hosts that take nothing until then
	tellings map[tellingKey]*telling
	turn     int // grows with whatever is recorded of an attempt
}

type tellingKey struct{ id, url string }

// telling is one event towards one target.
type telling struct {
	body   []byte
	heard  hearing   // the last time
	taken  bool      // at some time
	gone   bool      // answered 410 at some time
	until  time.Time // asked to be left alone until then
	ended  int       // the turn in which the end of an attempt was recorded
	over   bool      // and no other must begin after it
	before time.Time // or none before this
}

// hearing is what a target does with a call.
type hearing int

const (
	takes     hearing = iota
	forgets           // takes it, and the caller dies before it has recorded that
	cutsOff           // takes it, and does not answer
	hangs             // neither takes it nor answers
	refuses           // no connection
	breaks            // 500
	limits            // 429 or 503, and says when to come again
	redirects         // 302
	leaves            // 410
)

// hears draws what a host does with a call.
func (a *audience) hears(host string) hearing {
	p, d := a.w.profile, a.w.dice
	a.mu.Lock()
	isAway := host == p.mute || time.Now().Before(a.away[host])
	a.mu.Unlock()
	switch {
	case isAway && a.w.calm:
		return refuses
	case isAway:
		return oneOf(d, []hearing{refuses, refuses, hangs, breaks})
	case a.w.calm || !d.chance(p.unheard):
		return takes
	}
	return oneOf(d, []hearing{forgets, forgets, cutsOff, hangs, refuses, breaks, breaks, limits, limits, redirects, leaves})
}

// RoundTrip implements http.RoundTripper: it is everybody's line to the targets,
// with a stop before what is sent.
func (a *audience) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	id, url := r.Header.Get("webhook-id"), r.URL.String()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.w.stops.at(ctx, "call %s about %s", url, id)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	told := a.called(activityOf(ctx), tellingKey{id, url}, body)
	a.w.books.called(url, r.Header, body)
	heard := a.hears(r.URL.Host)
	a.w.trace.add("  %s hears of %s: %d", url, id, heard)
	a.w.figures.Calls++
	a.mu.Lock()
	told.taken = told.taken || heard == takes || heard == forgets || heard == cutsOff
	told.heard, told.gone = heard, told.gone || heard == leaves
	a.mu.Unlock()
	switch heard {
	case forgets:
		by := activityOf(ctx).process
		a.w.trace.add("%s dies", by.name)
		by.dead.Store(true)
		return answer(r, http.StatusOK), nil
	case cutsOff, refuses:
		return nil, errors.New("connection reset")
	case hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case breaks:
		return answer(r, http.StatusInternalServerError), nil
	case redirects:
		moved := answer(r, http.StatusFound)
		moved.Header.Set("Location", "https://elsewhere.test/")
		return moved, nil
	case limits:
		return a.limit(r, told), nil
	case leaves:
		return answer(r, http.StatusGone), nil
	}
	return answer(r, http.StatusOK), nil
}

// limit asks to be left alone, in seconds or until a date.
func (a *audience) limit(r *http.Request, told *telling) *http.Response {
	d := a.w.dice
	limited := answer(r, oneOf(d, []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}))
	until := time.Now().Add(d.span(time.Second, longestDelay)).Truncate(time.Second)
	wait := max(time.Until(until).Truncate(time.Second), 0)
	if d.chance(0.5) {
		limited.Header.Set("Retry-After", until.UTC().Format(http.TimeFormat))
	} else {
		until = time.Now().Add(wait)
		limited.Header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	a.mu.Lock()
	told.until = until
	a.mu.Unlock()
	return limited
}

func answer(r *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}

// called notes a call, which must say the same as the one before. What is recorded
// of that binds attempts that began later; others may be sent whenever they like.
func (a *audience) called(by *activity, key tellingKey, body []byte) *telling {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.tellings[key]
	if told == nil {
		told = &telling{body: body}
		a.tellings[key] = told
	}
	switch bound := by.attempt > told.ended; {
	case string(told.body) != string(body):
		a.w.fail("P5", "%s was told of %s in other words: %q, then %q", key.url, key.id, told.body, body)
	case told.over && bound:
		a.w.fail("P5", "%s was told of %s after the end of that was recorded", key.url, key.id)
	case time.Now().Before(told.before) && bound:
		a.w.fail("P5", "%s was told of %s before the time that it asked for", key.url, key.id)
	}
	told.until = time.Time{}
	return told
}

// begun is called when it is recorded that an attempt begins.
func (a *audience) begun(by *activity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn++
	by.attempt = a.turn
}

// settled is called when the end of an attempt is recorded.
func (a *audience) settled(c jobs.Callback, end jobs.CallbackEnd) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if told := a.tellings[tellingKey{c.EventID, addressOf(c.Target)}]; told != nil {
		a.turn++
		told.ended = a.turn
		told.over = told.heard == leaves || end.State != jobs.CallbackOwed
		told.before = told.until
	}
}

// replayed is called when somebody has had everything that is not delivered tried
// again.
func (a *audience) replayed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, told := range a.tellings {
		told.over, told.before = false, time.Time{}
	}
}

// took reports whether the target has taken the event, and whether it has said that
// it wants no more.
func (a *audience) took(key tellingKey) (taken, gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.tellings[key]
	return told != nil && told.taken, told != nil && told.gone
}

// leave has a host take nothing for a while, or for very long.
func (a *audience) leave() {
	host := oneOf(a.w.dice, hosts)
	span := a.w.dice.span(10*time.Second, 2*callbackRetry)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away[host] = time.Now().Add(span)
	a.w.trace.add("%s goes away for %s", host, span)
}

// addressOf is where a target's callbacks arrive.
func addressOf(to jobs.Target) string {
	if to.Sink != "" {
		return fmt.Sprintf("https://%s.test/in", to.Sink)
	}
	return to.URL
}

// has reports whether a sink is among those of this seed.
func (p profile) has(sink string) bool { return slices.Index(hosts, sink+".test") < p.sinks }
