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

// maxForeign limits the screenshots of other programs.
const maxForeign = 30

// hiddenFor is the longest time for which a listing might not show a screenshot.
const hiddenFor = 20 * time.Minute

// vendor simulates ScreenshotCenter. Its records are independent of the store. It is not
// the sandbox, because a goroutine that waits for a network connection keeps the
// simulated clock from advancing, and because with the timing of a network a seed would
// not give the same trace again.
type vendor struct {
	w *world

	mu    sync.Mutex
	shots []*shot // oldest first
	away  bool    // all calls fail
	// lastOtherID numbers the objects of other programs on the account.
	lastOtherID  int
	foreignShots int // screenshots of other programs
	fetches      map[outputKey]*fetches
}

// shot is one screenshot, charged when it was made.
type shot struct {
	id        string
	tag       string // of the submission that ordered it; empty if it is foreign
	tags      []string
	cachedFor []string // tags of submissions that received it from the cache
	url       string
	at        time.Time // when it was ordered and charged
	visible   time.Time // when listings and searches begin to show it
	hidden    bool      // invisible for longer than the settle time, so it might be paid for again
	ends      time.Time // zero if it never ends
	failed    bool
	cost      float64
	outputs   outputTimes
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

// image returns the URL of the image, or "" if there is none.
func (s *shot) image(now time.Time) string {
	if s.status(now) != client.StatusFinished {
		return ""
	}
	return "https://cdn.vendor.test/" + s.id + ".png"
}

// owners returns the tags of the submissions with this screenshot.
func (s *shot) owners() []string {
	if s.tag == "" {
		return s.cachedFor
	}
	return append([]string{s.tag}, s.cachedFor...)
}

// show returns the screenshot as the API returns it.
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
	p, d := v.w.profile, v.w.random
	now := time.Now()
	tag := ownTag(r.Tags)
	v.mu.Lock()
	if !v.w.faultFree && d.chance(p.cached) {
		for _, old := range v.shots {
			if old.url == r.URL && old.tag != "" && old.tag != tag {
				old.cachedFor = append(old.cachedFor, tag)
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
	case d.chance(0.05): // it never ends
	case d.chance(p.slow):
		s.ends = now.Add(d.span(jobTimeout/2, 2*jobTimeout+deadlineGrace))
	default:
		s.ends = now.Add(d.span(100*time.Millisecond, 6*time.Second))
	}
	if v.w.budgets.on {
		s.cost = budgetCost
	}
	if p.files {
		s.outputs = d.drawOutputs(s.ends)
	}
	v.shots = append(v.shots, s)
	v.mu.Unlock()
	v.w.webhooks.plan(s)
	return s
}

// orderForeign makes a screenshot of another program, which has already ended. If
// known is false, the API does not know it.
func (v *vendor) orderForeign(known bool) *shot {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.foreignShots++
	s := &shot{id: fmt.Sprint("x", v.foreignShots), tags: []string{"blog"}, url: "https://blog.test/", at: now, visible: now, ends: now, failed: v.w.random.chance(0.25)}
	if known {
		v.shots = append(v.shots, s)
	}
	return s
}

// hide hides a screenshot whose create response was lost, possibly for longer
// than look-ups continue.
func (v *vendor) hide(s *shot) {
	if v.w.faultFree || s.tag == "" || !v.w.random.chance(v.w.profile.hidden) {
		return
	}
	until := time.Now().Add(v.w.random.span(settle, hiddenFor))
	v.mu.Lock()
	defer v.mu.Unlock()
	s.hidden, s.visible = true, until
}

// allVisibleAt returns the time from which listings show all screenshots.
func (v *vendor) allVisibleAt() (last time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shots {
		if s.visible.After(last) {
			last = s.visible
		}
	}
	return last
}

// find returns a page of the visible screenshots, newest first. A page might be
// shorter than requested.
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
	if !v.w.faultFree && v.w.profile.shortPages {
		limit = 1 + v.w.random.upTo(4)
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

// orderedBy returns the screenshots that a submission ordered.
func (v *vendor) orderedBy(tag string) (ordered []*shot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shots {
		if s.tag == tag {
			ordered = append(ordered, s)
		}
	}
	return ordered
}

// hasTag reports whether a listing by tag contains a screenshot. With the profile
// firstTagOnly the vendor matches the first tag only.
func (v *vendor) hasTag(s *shot, tag string) bool {
	if v.w.profile.firstTagOnly {
		return len(s.tags) > 0 && s.tags[0] == tag
	}
	return slices.Contains(s.tags, tag)
}

// ownTag returns the submission's tag, which is the one with four parts.
func ownTag(tags []string) string {
	for _, tag := range tags {
		if strings.HasPrefix(tag, "shotline-") && strings.Count(tag, "-") == 3 {
			return tag
		}
	}
	return ""
}
