package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Answers to a create in the ledger that are no HTTP status.
const (
	answerCut  = "cut"  // the connection was closed without an answer
	answerGone = "gone" // the caller had closed it by the time of the answer
)

// fate is what faults do to one create. The books' lock guards what changes.
type fate struct {
	chance
	listedAt time.Time     // when list and search begin to show it
	posted   chan struct{} // closed at its first webhook; nil when nobody waits for that

	answer string   // how the create was answered; empty means with 200
	fired  []string // faults that happened
}

// subjectOf names a create for its faults: by URL, or as a batch, and tags.
func subjectOf(o order) string {
	return strings.Join(append([]string{orElse(o.render.URL, "batch")}, o.tags...), " ")
}

// fateOf is a new occurrence of an order. It is nil when no faults are set.
func (s *Server) fateOf(o order) *fate {
	c := s.faults.next(func() string { return subjectOf(o) })
	if c.set == nil {
		return nil
	}
	return &fate{chance: c}
}

// placedFate is the fate of an order that takes effect; one that did not come
// as a create of its own gets its fate here.
func (s *Server) placedFate(o order) *fate {
	f := o.fate
	if f == nil {
		f = s.fateOf(o)
	}
	if s.happens(f, faultListLag) {
		f.listedAt = s.cfg.Now().Add(f.delay(faultListLag))
	}
	return f
}

// happens decides about a fault of a create and enters it in the books.
func (s *Server) happens(f *fate, fault string) bool {
	if f == nil || !f.hit(fault) {
		return false
	}
	s.books.fire(f.chance, f, fault)
	return true
}

// firstOf returns the first of the faults that happens, or "".
func (s *Server) firstOf(f *fate, faults ...string) string {
	for _, fault := range faults {
		if s.happens(f, fault) {
			return fault
		}
	}
	return ""
}

// receipt is the answer to a create that took effect.
type receipt interface {
	// withStatus is the same answer with another word for the status.
	withStatus(word string) receipt
}

// placeFaulty places the order of a create, unless a fault refuses it, and
// answers, unless a fault spoils the answer.
func (s *Server) placeFaulty(ctx context.Context, o order, place func(order) (receipt, error)) (any, error) {
	o.fate = s.fateOf(o)
	if fault := s.firstOf(o.fate, faultCreateCut, faultCreate500, faultCreate429, faultCreditsOut); fault != "" {
		spoilt, err := o.fate.refusal(fault)
		s.books.turnAway(o, answerText(spoilt, err))
		return spoilt, err
	}
	fault := s.firstOf(o.fate, faultCreateCutEffect, faultCreate500Effect, faultCreateSlow, faultCreateMalformed, faultCreateStatus)
	early := s.cfg.WebhookURL != "" && len(o.apps) > 0 && s.happens(o.fate, faultWebhookEarly)
	if early {
		o.fate.posted = make(chan struct{})
	}
	shown, err := place(o)
	if err != nil {
		s.books.turnAway(o, answerText(nil, err))
		return nil, err
	}
	if early {
		s.linger(ctx, o.fate.delay(faultWebhookEarly), o.fate.posted)
	}
	if fault == faultCreateSlow {
		s.linger(ctx, o.fate.delay(faultCreateSlow), nil)
	}
	if fault == "" {
		s.books.answered(o.fate, goneText(ctx))
		return shown, nil
	}
	answer, err := o.fate.spoil(fault, shown)
	s.books.answered(o.fate, orElse(goneText(ctx), answerText(answer, err)))
	return answer, err
}

// linger waits for the end of a delay, or for anything that makes waiting
// pointless.
func (s *Server) linger(ctx context.Context, delay time.Duration, enough <-chan struct{}) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-enough:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
}

// refusal is the answer of a fault that keeps a create from taking effect.
func (c chance) refusal(fault string) (any, error) {
	switch fault {
	case faultCreateCut:
		return spoilt{}, nil
	case faultCreditsOut:
		return nil, errCredits
	case faultCreate429, faultRead429:
		return nil, &apiError{
			status: http.StatusTooManyRequests, code: "RATE_LIMIT_EXCEEDED", text: "Rate limit exceeded",
			retryAfter: int(c.number(fault, "retry_after")), delayIn: c.choice(fault, "in", delayIn),
		}
	default:
		return c.serverError(fault)
	}
}

// serverError is a 5xx: the API's own, or that of a proxy in front of it.
func (c chance) serverError(fault string) (any, error) {
	status := int(c.number(fault, "status"))
	if status < http.StatusBadGateway {
		return nil, &apiError{status: status, code: "INTERNAL_ERROR", text: "Internal error"}
	}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return spoilt{
		status: status, kind: "text/html",
		body: []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}, nil
}

// spoil is the answer to a create that took effect.
func (c chance) spoil(fault string, shown receipt) (any, error) {
	switch fault {
	case faultCreateCutEffect:
		return spoilt{}, nil
	case faultCreate500Effect:
		return c.serverError(fault)
	case faultCreateMalformed:
		body, err := json.Marshal(map[string]any{"success": true, "data": shown})
		return spoilt{status: http.StatusOK, kind: "application/json; charset=utf-8", body: body[:len(body)/2]}, err
	case faultCreateStatus:
		return shown.withStatus(c.word(fault)), nil
	}
	return shown, nil
}

// spoilt is an answer that is not worded by the API. The zero value is none at
// all: the connection is cut.
type spoilt struct {
	status int
	kind   string // MIME type
	body   []byte
}

func (a spoilt) write(w http.ResponseWriter) {
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// answerText is how the ledger words an answer to a create; empty for a 200.
func answerText(answer any, err error) string {
	if err != nil {
		return strconv.Itoa(refusalOf(err).status)
	}
	a, ok := answer.(spoilt)
	switch {
	case !ok || a.status == http.StatusOK:
		return ""
	case a.status == 0:
		return answerCut
	default:
		return strconv.Itoa(a.status)
	}
}

func goneText(ctx context.Context) string {
	if ctx.Err() != nil {
		return answerGone
	}
	return ""
}
