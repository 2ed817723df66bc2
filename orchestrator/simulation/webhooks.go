package simulation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	webhookSecret = "the secret that vendor and receiver share"
	// maxTries is how often the vendor sends a webhook that is not answered 2xx.
	maxTries = 8
)

// signing is how a webhook is signed.
type signing int

const (
	signed signing = iota
	forged         // with another secret
	unsigned
)

// webhook is one webhook that the vendor or a forger sends.
type webhook struct {
	n          int
	shot       *shot  // nil for an event about something else
	event      string // short, for traces
	done       bool   // the outcome that it reports
	signing    signing
	body       []byte
	due        time.Time
	tried      int
	busy       bool
	statuses   []int
	acceptedAt time.Time // time of the first 2xx response; zero if there was none
	heldBefore heldCount // held deliveries when it was last sent
}

// webhookSender sends webhooks. It delays, repeats, drops and forges some of
// them.
type webhookSender struct {
	w *world

	mu       sync.Mutex
	webhooks []*webhook // all webhooks, in the order of their creation
}

// schedule adds a webhook. The caller holds the lock.
func (ws *webhookSender) schedule(hook *webhook, due time.Time) {
	hook.n, hook.due = len(ws.webhooks)+1, due
	ws.webhooks = append(ws.webhooks, hook)
}

// plan draws the webhooks for the end of a screenshot.
func (ws *webhookSender) plan(s *shot) {
	if s.ends.IsZero() {
		return
	}
	p, d := ws.w.profile, ws.w.random
	ws.mu.Lock()
	defer ws.mu.Unlock()
	due := s.ends.Add(d.span(0, 300*time.Millisecond))
	if ws.w.faultFree {
		ws.schedule(ws.result(s, !s.failed, signed), due)
		return
	}
	if d.chance(p.forged) {
		ws.schedule(ws.result(s, s.failed, oneOf(d, []signing{forged, unsigned})), s.at.Add(d.span(0, 4*time.Second)))
	}
	if d.chance(p.dropped) {
		return
	}
	if d.chance(p.delayed) {
		due = due.Add(d.span(time.Second, 30*time.Second))
		if d.chance(0.3) {
			due = due.Add(d.span(time.Hour, 5*time.Hour))
		}
	}
	lie := d.chance(p.contradicted)
	lieFirst := lie && d.chance(0.5)
	if lieFirst {
		ws.schedule(ws.result(s, s.failed, signed), due)
		// An operator might retry the job before the true webhook arrives.
		due = due.Add(d.span(0, oneOf(d, []time.Duration{5 * time.Second, 40 * time.Second})))
		if d.chance(0.2) {
			return // the true webhook is lost
		}
	}
	copies := 1
	if d.chance(p.repeated) {
		copies = 2 + d.upTo(19)
	}
	for range copies {
		ws.schedule(ws.result(s, !s.failed, signed), due)
		due = due.Add(d.span(0, time.Second))
	}
	if lie && (!lieFirst || d.chance(0.3)) {
		ws.schedule(ws.result(s, s.failed, signed), due.Add(d.span(0, 5*time.Second)))
	}
}

// result returns a webhook for the end of a screenshot, in the dialect of the
// workspace.
func (ws *webhookSender) result(s *shot, done bool, m signing) *webhook {
	event, status := "screenshot.failed", "failed"
	body := map[string]any{"screenshot_id": s.id, "url": s.url, "created_at": s.at.UTC().Format(time.RFC3339)}
	if done {
		event, status = "screenshot.completed", "done"
		if ws.w.profile.productDialect {
			event, status = "screenshot.finished", "finished"
		}
		body["image_url"] = "https://cdn.vendor.test/" + s.id + ".png"
	} else if ws.w.random.chance(0.5) {
		body["error"] = "the page did not answer"
	}
	body["event"], body["status"] = event, status
	return &webhook{shot: s, event: event, done: done, signing: m, body: ws.encode(body)}
}

// addOther adds an event that closes no job: about other work of the account, or
// of an unknown type.
func (ws *webhookSender) addOther() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.w.vendor.lastOtherID++
	n := ws.w.vendor.lastOtherID
	body := map[string]any{
		"batch.finished":      map[string]any{"event": "batch.finished", "batch_id": n, "status": "finished"},
		"app.upload.failed":   map[string]any{"event": "app.upload.failed", "screenshot_id": fmt.Sprint("sc_", n)},
		"screenshot.archived": map[string]any{"event": "screenshot.archived", "screenshot_id": fmt.Sprint("sc_", n)},
		"screenshot.failed":   map[string]any{"event": "screenshot.failed", "status": "failed", "screenshot_id": fmt.Sprint("sc_", n)},
	}
	event := oneOf(ws.w.random, []string{"batch.finished", "app.upload.failed", "screenshot.archived", "screenshot.failed"})
	ws.schedule(&webhook{event: event, body: ws.encode(body[event].(map[string]any))}, time.Now())
}

// addForeign has another program on the account make a screenshot, and adds its
// webhooks. The vendor might no longer know the screenshot by then.
func (ws *webhookSender) addForeign() {
	d := ws.w.random
	s := ws.w.vendor.orderForeign(d.chance(0.8))
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for range 1 + d.upTo(2) {
		ws.schedule(ws.result(s, !s.failed, signed), time.Now())
	}
}

// encode gives each webhook a unique body, by which it can be found again.
func (ws *webhookSender) encode(body map[string]any) []byte {
	body["n"] = len(ws.webhooks) + 1
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return data
}

// due returns the webhooks that may be sent now.
func (ws *webhookSender) due() []*webhook {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	now := time.Now()
	var ready []*webhook
	for _, hook := range ws.webhooks {
		if hook.willBeSent() && !hook.busy && !now.Before(hook.due) {
			ready = append(ready, hook)
		}
	}
	return ready
}

// willBeSent reports whether the webhook will be sent (again).
func (hook *webhook) willBeSent() bool { return hook.acceptedAt.IsZero() && hook.tried < maxTries }

// next returns the time at which the next webhook is due, or zero if none is
// left.
func (ws *webhookSender) next() (next time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, hook := range ws.webhooks {
		if hook.willBeSent() && (next.IsZero() || hook.due.Before(next)) {
			next = hook.due
		}
	}
	return next
}

// send sends a webhook to a process. If to is nil, no process listens.
func (ws *webhookSender) send(hook *webhook, to *process) {
	ws.mu.Lock()
	hook.busy = true
	hook.tried++
	ws.mu.Unlock()
	hook.heldBefore = ws.w.checker.heldNow()
	if to == nil {
		ws.recordAnswer(hook, 0)
		return
	}
	status := 0
	to.begin(fmt.Sprintf("webhook %d %s of %s", hook.n, hook.event, hook.subject()), func(ctx context.Context) error {
		request := httptest.NewRequest(http.MethodPost, "/webhooks/screenshotcenter", strings.NewReader(string(hook.body))).WithContext(ctx)
		ws.sign(hook, request.Header)
		recorder := httptest.NewRecorder()
		to.hook.ServeHTTP(recorder, request)
		status = recorder.Code
		return nil
	}, func(bool, error) { ws.recordAnswer(hook, status) })
}

func (hook *webhook) subject() string {
	if hook.shot == nil {
		return "nobody"
	}
	return hook.shot.id
}

func (ws *webhookSender) sign(hook *webhook, header http.Header) {
	key := webhookSecret
	switch hook.signing {
	case unsigned:
		return
	case forged:
		key = "somebody's guess"
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(hook.body)
	name := "X-Signature"
	if ws.w.profile.productDialect {
		name = "X-ScreenshotCenter-Signature"
		header.Set("X-ScreenshotCenter-Event", hook.event)
	}
	header.Set(name, "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

// recordAnswer records the status of a response; 0 means that there was none.
func (ws *webhookSender) recordAnswer(hook *webhook, status int) {
	ws.mu.Lock()
	hook.busy = false
	hook.statuses = append(hook.statuses, status)
	if status == http.StatusOK && hook.acceptedAt.IsZero() {
		hook.acceptedAt = time.Now()
	}
	hook.due = time.Now().Add(time.Second << min(hook.tried, 5))
	ws.mu.Unlock()
	ws.w.trace.add("  webhook %d answered %d", hook.n, status)
	ws.w.checker.checkAnswer(hook, status)
}

// all returns a copy of the list of webhooks.
func (ws *webhookSender) all() []*webhook {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return slices.Clone(ws.webhooks)
}
