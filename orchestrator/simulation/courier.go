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
	secret = "the secret that vendor and receiver share"
	// tries is how often the vendor posts a webhook that is not answered 2xx.
	tries = 8
)

// mark is how a post is signed.
type mark int

const (
	signed mark = iota
	forged      // with another secret
	unsigned
)

// post is one webhook that the vendor, or somebody else, is going to send.
type post struct {
	n      int
	shot   *shot  // nil for an event about something else
	event  string // short, for traces
	done   bool   // the outcome that it tells of a screenshot
	mark   mark
	body   []byte
	due    time.Time
	tried  int
	busy   bool
	status []int
	kept   time.Time // when it was answered 2xx first; zero before
	room   room      // for what is held, when it was sent last
}

// courier delivers webhooks, often enough not as one would wish.
type courier struct {
	w *world

	mu    sync.Mutex
	posts []*post // all there ever were, in their order
}

// add is called with the lock held.
func (c *courier) add(p *post, due time.Time) {
	p.n, p.due = len(c.posts)+1, due
	c.posts = append(c.posts, p)
}

// plan decides which posts a screenshot's end brings about.
func (c *courier) plan(s *shot) {
	if s.ends.IsZero() {
		return
	}
	p, d := c.w.profile, c.w.dice
	c.mu.Lock()
	defer c.mu.Unlock()
	due := s.ends.Add(d.span(0, 300*time.Millisecond))
	if c.w.calm {
		c.add(c.result(s, !s.failed, signed), due)
		return
	}
	if d.chance(p.forged) {
		c.add(c.result(s, s.failed, oneOf(d, []mark{forged, unsigned})), s.at.Add(d.span(0, 4*time.Second)))
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
		c.add(c.result(s, s.failed, signed), due)
		// Somebody may retry the job before the true one comes.
		due = due.Add(d.span(0, oneOf(d, []time.Duration{5 * time.Second, 40 * time.Second})))
		if d.chance(0.2) {
			return // and the true one is lost
		}
	}
	copies := 1
	if d.chance(p.repeated) {
		copies = 2 + d.upTo(19)
	}
	for range copies {
		c.add(c.result(s, !s.failed, signed), due)
		due = due.Add(d.span(0, time.Second))
	}
	if lie && (!lieFirst || d.chance(0.3)) {
		c.add(c.result(s, s.failed, signed), due.Add(d.span(0, 5*time.Second)))
	}
}

// result words a screenshot's end in the workspace's dialect.
func (c *courier) result(s *shot, done bool, m mark) *post {
	event, status := "screenshot.failed", "failed"
	body := map[string]any{"screenshot_id": s.id, "url": s.url, "created_at": s.at.UTC().Format(time.RFC3339)}
	if done {
		event, status = "screenshot.completed", "done"
		if c.w.profile.productDialect {
			event, status = "screenshot.finished", "finished"
		}
		body["image_url"] = "https://cdn.vendor.test/" + s.id + ".png"
	} else if c.w.dice.chance(0.5) {
		body["error"] = "the page did not answer"
	}
	body["event"], body["status"] = event, status
	return &post{shot: s, event: event, done: done, mark: m, body: c.encode(body)}
}

// stray adds an event that closes nothing: of the account's other work, or of
// a kind that nobody knows yet.
func (c *courier) stray() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.w.vendor.stranger++
	n := c.w.vendor.stranger
	body := map[string]any{
		"batch.finished":      map[string]any{"event": "batch.finished", "batch_id": n, "status": "finished"},
		"app.upload.failed":   map[string]any{"event": "app.upload.failed", "screenshot_id": fmt.Sprint("sc_", n)},
		"screenshot.archived": map[string]any{"event": "screenshot.archived", "screenshot_id": fmt.Sprint("sc_", n)},
		"screenshot.failed":   map[string]any{"event": "screenshot.failed", "status": "failed", "screenshot_id": fmt.Sprint("sc_", n)},
	}
	event := oneOf(c.w.dice, []string{"batch.finished", "app.upload.failed", "screenshot.archived", "screenshot.failed"})
	c.add(&post{event: event, body: c.encode(body[event].(map[string]any))}, time.Now())
}

// stranger has another program on the account make a screenshot, which the vendor
// tells us of; some it has forgotten by then.
func (c *courier) stranger() {
	d := c.w.dice
	s := c.w.vendor.stray(d.chance(0.8))
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 1 + d.upTo(2) {
		c.add(c.result(s, !s.failed, signed), time.Now())
	}
}

// encode gives each post bytes of its own, so that each can be found again.
func (c *courier) encode(body map[string]any) []byte {
	body["n"] = len(c.posts) + 1
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return data
}

// due lists what may be posted now.
func (c *courier) due() []*post {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var ready []*post
	for _, p := range c.posts {
		if p.open() && !p.busy && !now.Before(p.due) {
			ready = append(ready, p)
		}
	}
	return ready
}

// open reports whether the post will be tried (again).
func (p *post) open() bool { return p.kept.IsZero() && p.tried < tries }

// next is when something is due; zero when nothing ever is.
func (c *courier) next() (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.posts {
		if p.open() && (next.IsZero() || p.due.Before(next)) {
			next = p.due
		}
	}
	return next
}

// deliver posts to one process; nil means that none listens.
func (c *courier) deliver(p *post, to *process) {
	c.mu.Lock()
	p.busy = true
	p.tried++
	c.mu.Unlock()
	p.room = c.w.books.room()
	if to == nil {
		c.answered(p, 0)
		return
	}
	status := 0
	to.begin(fmt.Sprintf("webhook %d %s of %s", p.n, p.event, p.about()), func(ctx context.Context) error {
		request := httptest.NewRequest(http.MethodPost, "/webhooks/screenshotcenter", strings.NewReader(string(p.body))).WithContext(ctx)
		c.sign(p, request.Header)
		recorder := httptest.NewRecorder()
		to.hook.ServeHTTP(recorder, request)
		status = recorder.Code
		return nil
	}, func(bool, error) { c.answered(p, status) })
}

func (p *post) about() string {
	if p.shot == nil {
		return "nobody"
	}
	return p.shot.id
}

func (c *courier) sign(p *post, header http.Header) {
	key := secret
	switch p.mark {
	case unsigned:
		return
	case forged:
		key = "somebody's guess"
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(p.body)
	name := "X-Signature"
	if c.w.profile.productDialect {
		name = "X-ScreenshotCenter-Signature"
		header.Set("X-ScreenshotCenter-Event", p.event)
	}
	header.Set(name, "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

// answered notes what came back; 0 means that nothing did.
func (c *courier) answered(p *post, status int) {
	c.mu.Lock()
	p.busy = false
	p.status = append(p.status, status)
	if status == http.StatusOK && p.kept.IsZero() {
		p.kept = time.Now()
	}
	p.due = time.Now().Add(time.Second << min(p.tried, 5))
	c.mu.Unlock()
	c.w.trace.add("  webhook %d answered %d", p.n, status)
	c.w.books.answered(p, status)
}

// all copies the list of posts.
func (c *courier) all() []*post {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.posts)
}
