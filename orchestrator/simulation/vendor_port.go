package simulation

import (
	"context"
	"errors"
	"strings"
	"time"

	"shotline/client"
)

// vendorPort is one process's connection to the vendor. It stops before a request
// is sent and before a create's response is returned.
type vendorPort struct{ w *world }

// createResult is the result of a create.
type createResult int

const (
	answered   createResult = iota
	unsent                  // the connection was refused
	lostUnsent              // no response, no charge
	lostAnswer              // charged, but no response
	lateAnswer              // charged, and answered after the caller's timeout
	limited
	refused
	badKey // the API key was refused
)

func (v vendorPort) drawResult() createResult {
	p, d := v.w.profile, v.w.random
	switch {
	case v.w.faultFree:
		return answered
	case v.w.vendor.away:
		return oneOf(d, []createResult{unsent, lostUnsent})
	case d.chance(p.createFaults):
		return oneOf(d, []createResult{unsent, lostUnsent, lostUnsent, lostAnswer, lostAnswer, lostAnswer, lateAnswer, limited, limited, refused})
	case d.chance(0.003):
		return badKey
	}
	return answered
}

// Create implements orchestrator.Vendor.
func (v vendorPort) Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error) {
	tag := ownTag(r.Tags)
	v.w.stops.at(ctx, "send create of %s", tag)
	result := v.drawResult()
	v.w.trace.add("  create of %s: fate %d", tag, result)
	v.w.figures.Creates++
	if ctx.Err() != nil {
		return client.Screenshot{}, &client.NotSentError{Err: ctx.Err()}
	}
	switch result {
	case unsent:
		return client.Screenshot{}, &client.NotSentError{Err: errors.New("connection refused")}
	case limited:
		return client.Screenshot{}, &client.RateLimitError{
			Delay: v.w.random.span(0, 3*time.Second), API: &client.APIError{Op: "create screenshot", Status: 429},
		}
	case badKey:
		return client.Screenshot{}, &client.APIError{Op: "create screenshot", Status: 401, Code: "INVALID_API_KEY"}
	case refused:
		v.w.checker.noteRefusal(tag)
		return client.Screenshot{}, &client.APIError{Op: "create screenshot", Status: 422, Code: "VALIDATION_ERROR", Message: "no"}
	case lostUnsent:
		v.w.checker.checkSend(ctx, tag)
		v.w.stops.at(ctx, "cut create of %s", tag)
		return client.Screenshot{}, &client.InDoubtError{Err: errors.New("connection reset")}
	}
	v.w.checker.checkSend(ctx, tag)
	made := v.w.vendor.order(r)
	v.w.trace.add("  %s is screenshot %s", tag, made.id)
	v.w.checker.checkCharge(made, tag)
	if (result == lateAnswer || result == lostAnswer) && made.tag == tag {
		v.w.vendor.hide(made)
	}
	if result == lateAnswer {
		<-ctx.Done()
	}
	v.w.stops.at(ctx, "answer create of %s", tag)
	if result == lostAnswer || ctx.Err() != nil {
		return client.Screenshot{}, &client.InDoubtError{Err: errors.New("no answer")}
	}
	return v.w.vendor.show(made), nil
}

// beforeRead stops before a call that orders nothing. It returns an error if the
// call fails.
func (v vendorPort) beforeRead(ctx context.Context, format string, args ...any) error {
	v.w.stops.at(ctx, format, args...)
	v.w.figures.Reads++
	return v.drawFault(ctx)
}

// drawFault returns an error if a call that orders nothing fails.
func (v vendorPort) drawFault(ctx context.Context) error {
	p, d := v.w.profile, v.w.random
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case v.w.faultFree:
		return nil
	case v.w.vendor.away:
		return &client.NotSentError{Err: errors.New("connection refused")}
	case d.chance(p.readFaults):
		switch d.upTo(3) {
		case 0:
			return &client.RateLimitError{Delay: d.span(0, 2*time.Second), API: &client.APIError{Op: "read", Status: 429}}
		case 1:
			return &client.APIError{Op: "read", Status: 502}
		default:
			return &client.NotSentError{Err: errors.New("connection reset")}
		}
	}
	return nil
}

// Info implements orchestrator.Vendor.
func (v vendorPort) Info(ctx context.Context, id string) (client.Screenshot, error) {
	if err := v.beforeRead(ctx, "ask for %s", id); err != nil {
		return client.Screenshot{}, err
	}
	if s := v.w.vendor.byID(id); s != nil {
		return v.w.vendor.show(s), nil
	}
	return client.Screenshot{}, &client.APIError{Op: "get screenshot", Status: 404}
}

// List implements orchestrator.Vendor.
func (v vendorPort) List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error) {
	if err := v.beforeRead(ctx, "list %s from %d", o.Tag, o.Offset); err != nil {
		return nil, err
	}
	now := time.Now()
	return v.w.vendor.find(o.Limit, o.Offset, func(s *shot) bool {
		return (o.Tag == "" || v.w.vendor.hasTag(s, o.Tag)) && (o.Status == "" || s.status(now) == o.Status)
	}), nil
}

// Search implements orchestrator.Vendor.
func (v vendorPort) Search(ctx context.Context, o client.SearchOptions) ([]client.Screenshot, error) {
	if err := v.beforeRead(ctx, "search %s from %d", o.URL, o.Offset); err != nil {
		return nil, err
	}
	return v.w.vendor.find(o.Limit, o.Offset, func(s *shot) bool { return strings.Contains(s.url, o.URL) }), nil
}
