package simulation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shotline/client"
)

// mostStrays bounds what others order.
const mostStrays = 30

// hiddenFor is for how long a listing may lag behind at the most.
const hiddenFor = 20 * time.Minute

// vendor is a fake ScreenshotCenter: the calls it got and the screenshots it made.
// It shares no records with the program. It is not the sandbox: a goroutine that
// waits for a network connection keeps the simulated clock from advancing, and with
// the network's own timing a seed would not give the same trace again.
type vendor struct {
	w *world

	mu    sync.Mutex
	shots []*shot // oldest first
	away  bool    // no call gets through
	// stranger numbers what others order on the same account.
	stranger int
	strays   int // screenshots of others
}

// shot is one screenshot, charged when it was made.
type shot struct {
	id      string
	tag     string // the submission's that ordered it; empty for a stranger's
	tags    []string
	lent    []string // submissions that got it out of the cache
	url     string
	at      time.Time // ordered, and charged
	visible time.Time // listings and searches show it
	hidden  bool      // for longer than the settle time: it may be paid for again
	ends    time.Time // zero: never
	failed  bool
	cost    float64
}

func (s *shot) ended(now time.Time) bool { return !s.ends.IsZero() && !now.Before(s.ends) }

func (s *shot) status(now time.Time) client.Status {
	switch {
	case !s.ended(now):
		return client.StatusProcessing
	case s.failed:
		return client.StatusError
	default:
		return client.StatusFinished
	}
}

// image is where the picture is, empty without one.
func (s *shot) image(now time.Time) string {
	if s.status(now) != client.StatusFinished {
		return ""
	}
	return "https://cdn.vendor.test/" + s.id + ".png"
}

// owners are the submissions whose screenshot this is.
func (s *shot) owners() []string {
	if s.tag == "" {
		return s.lent
	}
	return append([]string{s.tag}, s.lent...)
}

// show is the screenshot as the API shows it.
func (v *vendor) show(s *shot) client.Screenshot {
	now := time.Now()
	shown := client.Screenshot{ID: s.id, Status: s.status(now), URL: s.url, Tags: slices.Clone(s.tags), ImageURL: s.image(now)}
	if !v.w.profile.costless || s.ended(now) {
		cost := s.cost
		shown.Cost = &cost
	}
	if shown.Status == client.StatusError {
		shown.Error = "the page did not answer"
	}
	return shown
}

// order makes a screenshot and charges for it.
func (v *vendor) order(r client.CreateRequest) *shot {
	p, d := v.w.profile, v.w.dice
	now := time.Now()
	tag := ownTag(r.Tags)
	v.mu.Lock()
	if !v.w.calm && d.chance(p.cached) {
		for _, old := range v.shots {
			if old.url == r.URL && old.tag != "" && old.tag != tag {
				old.lent = append(old.lent, tag)
				v.mu.Unlock()
				return old
			}
		}
	}
	s := &shot{
		id: strconv.Itoa(1000 + len(v.shots)), tag: tag, tags: slices.Clone(r.Tags), url: r.URL, at: now,
		visible: now.Add(oneOf(d, []time.Duration{p.lag, d.span(0, p.lag)})), failed: d.chance(0.25), cost: float64(1 + d.upTo(2)),
	}
	switch {
	case d.chance(0.06):
		s.ends = now
	case d.chance(0.05): // never
	case d.chance(p.slow):
		s.ends = now.Add(d.span(jobTimeout/2, 2*jobTimeout+deadlineGrace))
	default:
		s.ends = now.Add(d.span(100*time.Millisecond, 6*time.Second))
	}
	v.shots = append(v.shots, s)
	v.mu.Unlock()
	v.w.courier.plan(s)
	return s
}

// stray is a screenshot that is not ours, and has ended.
func (v *vendor) stray(known bool) *shot {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.strays++
	s := &shot{id: fmt.Sprint("x", v.strays), tags: []string{"blog"}, url: "https://blog.test/", at: now, visible: now, ends: now, failed: v.w.dice.chance(0.25)}
	if known {
		v.shots = append(v.shots, s)
	}
	return s
}

// lose hides what nobody was told of, perhaps for longer than it is looked for.
func (v *vendor) lose(s *shot) {
	if v.w.calm || s.tag == "" || !v.w.dice.chance(v.w.profile.hidden) {
		return
	}
	until := time.Now().Add(v.w.dice.span(settle, hiddenFor))
	v.mu.Lock()
	defer v.mu.Unlock()
	s.hidden, s.visible = true, until
}

// shown is when the last of the screenshots is shown.
func (v *vendor) shown() (last time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shots {
		if s.visible.After(last) {
			last = s.visible
		}
	}
	return last
}

// find pages through what listings show, newest first. A page may be shorter
// than asked.
func (v *vendor) find(limit, offset int, wanted func(*shot) bool) []client.Screenshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	var found []client.Screenshot
	for _, s := range slices.Backward(v.shots) {
		if !now.Before(s.visible) && wanted(s) {
			found = append(found, v.show(s))
		}
	}
	found = found[min(offset, len(found)):]
	if !v.w.calm && v.w.profile.shortPages {
		limit = 1 + v.w.dice.upTo(4)
	}
	return found[:min(limit, len(found))]
}

func (v *vendor) byID(id string) *shot {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shots {
		if s.id == id {
			return s
		}
	}
	return nil
}

// of lists the screenshots that a submission ordered.
func (v *vendor) of(tag string) (ordered []*shot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shots {
		if s.tag == tag {
			ordered = append(ordered, s)
		}
	}
	return ordered
}

// hasTag is how a listing matches: some vendors know the first tag alone.
func (v *vendor) hasTag(s *shot, tag string) bool {
	if v.w.profile.firstTagOnly {
		return len(s.tags) > 0 && s.tags[0] == tag
	}
	return slices.Contains(s.tags, tag)
}

// ownTag is the submission's tag among all: the one with four parts.
func ownTag(tags []string) string {
	for _, tag := range tags {
		if strings.HasPrefix(tag, "shotline-") && strings.Count(tag, "-") == 3 {
			return tag
		}
	}
	return ""
}
