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

// Responses to a create in the ledger that are not an HTTP status.
const (
	answerCut  = "cut"  // the connection was closed without a response
	answerGone = "gone" // the client had disconnected before the response
)

// faultPlan holds the faults of one create. The store's lock guards the fields
// that change.
type faultPlan struct {
	trial
	listedAt time.Time     // when list and search start to show the screenshot
	posted   chan struct{} // closed after the first post of a webhook; nil if the create does not wait for it

	answer string   // response to the create, as in the ledger; empty means 200
	fired  []string // names of the faults that happened
}

// subjectOf returns the subject of a create's faults: its URL, or "batch", and
// its tags.
func subjectOf(o order) string {
	return strings.Join(append([]string{orElse(o.render.URL, "batch")}, o.tags...), " ")
}

// newFaultPlan counts an occurrence of the order and returns its plan. It returns
// nil if no faults are active.
func (s *Server) newFaultPlan(o order) *faultPlan {
	c := s.faults.next(func() string { return subjectOf(o) })
	if c.set == nil {
		return nil
	}
	return &faultPlan{trial: c}
}

// ensureFaultPlan returns the plan of an order that takes effect. It makes one if
// the order has none, which is the case for the rows of a batch.
func (s *Server) ensureFaultPlan(o order) *faultPlan {
	f := o.plan
	if f == nil {
		f = s.newFaultPlan(o)
	}
	if s.hitsCreate(f, faultListLag) {
		f.listedAt = s.cfg.Now().Add(f.delay(faultListLag))
	}
	return f
}

// hitsCreate reports whether a fault happens to a create. If it does, hitsCreate
// records it.
func (s *Server) hitsCreate(f *faultPlan, fault string) bool {
	if f == nil || !f.hit(fault) {
		return false
	}
	s.store.recordFault(f.trial, f, fault)
	return true
}

// firstFault returns the first of the faults that happens, or "" if none does.
func (s *Server) firstFault(f *faultPlan, faults ...string) string {
	for _, fault := range faults {
		if s.hitsCreate(f, fault) {
			return fault
		}
	}
	return ""
}

// receipt is the response to a create that took effect.
type receipt interface {
	// withStatus returns the same response with another status.
	withStatus(status string) receipt
}

// placeWithFaults calls place unless a fault refuses the create. It returns the
// response, which a fault might have replaced.
func (s *Server) placeWithFaults(ctx context.Context, o order, place func(order) (receipt, error)) (any, error) {
	o.plan = s.newFaultPlan(o)
	if fault := s.firstFault(o.plan, faultCreateCut, faultCreate500, faultCreate429, faultCreditsOut); fault != "" {
		answer, err := o.plan.refusal(fault)
		s.store.recordRefusal(o, answerText(answer, err))
		return answer, err
	}
	fault := s.firstFault(o.plan, faultCreateCutEffect, faultCreate500Effect, faultCreateSlow, faultCreateMalformed, faultCreateStatus)
	early := s.cfg.WebhookURL != "" && len(o.apps) > 0 && s.hitsCreate(o.plan, faultWebhookEarly)
	if early {
		o.plan.posted = make(chan struct{})
	}
	shown, err := place(o)
	if err != nil {
		s.store.recordRefusal(o, answerText(nil, err))
		return nil, err
	}
	if early {
		s.pause(ctx, o.plan.delay(faultWebhookEarly), o.plan.posted)
	}
	if fault == faultCreateSlow {
		s.pause(ctx, o.plan.delay(faultCreateSlow), nil)
	}
	if fault == "" {
		s.store.recordAnswer(o.plan, goneText(ctx))
		return shown, nil
	}
	answer, err := o.plan.faultyAnswer(fault, shown)
	s.store.recordAnswer(o.plan, orElse(goneText(ctx), answerText(answer, err)))
	return answer, err
}

// pause waits for delay. It returns early if enough is closed, the client
// disconnects or the server closes.
func (s *Server) pause(ctx context.Context, delay time.Duration, enough <-chan struct{}) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-enough:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
}

// refusal returns the response of a fault that prevents a create from taking
// effect.
func (c trial) refusal(fault string) (any, error) {
	switch fault {
	case faultCreateCut:
		return brokenAnswer{}, nil
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

// serverError returns a 5xx response: below 502 an error of the API, otherwise
// the HTML page of a proxy.
func (c trial) serverError(fault string) (any, error) {
	status := int(c.number(fault, "status"))
	if status < http.StatusBadGateway {
		return nil, &apiError{status: status, code: "INTERNAL_ERROR", text: "Internal error"}
	}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return brokenAnswer{
		status: status, kind: "text/html",
		body: []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}, nil
}

// faultyAnswer returns the response of a fault that happens after a create took
// effect.
func (c trial) faultyAnswer(fault string, shown receipt) (any, error) {
	switch fault {
	case faultCreateCutEffect:
		return brokenAnswer{}, nil
	case faultCreate500Effect:
		return c.serverError(fault)
	case faultCreateMalformed:
		body, err := json.Marshal(map[string]any{"success": true, "data": shown})
		return brokenAnswer{status: http.StatusOK, kind: "application/json; charset=utf-8", body: body[:len(body)/2]}, err
	case faultCreateStatus:
		return shown.withStatus(c.word(fault)), nil
	}
	return shown, nil
}

// brokenAnswer is a response that does not have the form of the API. The zero
// value closes the connection without a response.
type brokenAnswer struct {
	status int
	kind   string // MIME type
	body   []byte
}

func (a brokenAnswer) write(w http.ResponseWriter) {
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// answerText returns the ledger's text for the response to a create. It returns
// "" for a 200.
func answerText(answer any, err error) string {
	if err != nil {
		return strconv.Itoa(asAPIError(err).status)
	}
	a, ok := answer.(brokenAnswer)
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
