package simulation

import (
	"context"
	"errors"
	"strings"
	"time"

	"shotline/client"
)

// vendorPort is one process's line to the vendor, with stops before what is
// sent and before what is answered.
type vendorPort struct{ w *world }

// fate is how a create ends.
type fate int

const (
	answered  fate = iota
	unsent         // the connection was refused
	cut            // no answer, no effect
	cutEffect      // no answer, but charged
	slow           // charged, and answered after the caller has left
	limited
	refused
	keyless // the key is refused
)

func (v vendorPort) fate() fate {
	p, d := v.w.profile, v.w.dice
	switch {
	case v.w.calm:
		return answered
	case v.w.vendor.away:
		return oneOf(d, []fate{unsent, cut})
	case d.chance(p.createFaults):
		return oneOf(d, []fate{unsent, cut, cut, cutEffect, cutEffect, cutEffect, slow, limited, limited, refused})
	case d.chance(0.003):
		return keyless
	}
	return answered
}

// Create implements orchestrator.Vendor.
func (v vendorPort) Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error) {
	tag := ownTag(r.Tags)
	v.w.stops.at(ctx, "send create of %s", tag)
	fate := v.fate()
	v.w.trace.add("  create of %s: fate %d", tag, fate)
	v.w.figures.Creates++
	if ctx.Err() != nil {
		return client.Screenshot{}, &client.NotSentError{Err: ctx.Err()}
	}
	switch fate {
	case unsent:
		return client.Screenshot{}, &client.NotSentError{Err: errors.New("connection refused")}
	case limited:
		return client.Screenshot{}, &client.RateLimitError{
			Delay: v.w.dice.span(0, 3*time.Second), API: &client.APIError{Op: "create screenshot", Status: 429},
		}
	case keyless:
		return client.Screenshot{}, &client.APIError{Op: "create screenshot", Status: 401, Code: "INVALID_API_KEY"}
	case refused:
		v.w.books.refused(tag)
		return client.Screenshot{}, &client.APIError{Op: "create screenshot", Status: 422, Code: "VALIDATION_ERROR", Message: "no"}
	case cut:
		v.w.books.sent(ctx, tag)
		v.w.stops.at(ctx, "cut create of %s", tag)
		return client.Screenshot{}, &client.InDoubtError{Err: errors.New("connection reset")}
	}
	v.w.books.sent(ctx, tag)
	made := v.w.vendor.order(r)
	v.w.trace.add("  %s is screenshot %s", tag, made.id)
	v.w.books.charged(made, tag)
	if (fate == slow || fate == cutEffect) && made.tag == tag {
		v.w.vendor.lose(made)
	}
	if fate == slow {
		<-ctx.Done()
	}
	v.w.stops.at(ctx, "answer create of %s", tag)
	if fate == cutEffect || ctx.Err() != nil {
		return client.Screenshot{}, &client.InDoubtError{Err: errors.New("no answer")}
	}
	return v.w.vendor.show(made), nil
}

// reads is the stop before a call that orders nothing, and how it fails.
func (v vendorPort) reads(ctx context.Context, format string, args ...any) error {
	v.w.stops.at(ctx, format, args...)
	v.w.figures.Reads++
	p, d := v.w.profile, v.w.dice
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case v.w.calm:
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
	if err := v.reads(ctx, "ask for %s", id); err != nil {
		return client.Screenshot{}, err
	}
	if s := v.w.vendor.byID(id); s != nil {
		return v.w.vendor.show(s), nil
	}
	return client.Screenshot{}, &client.APIError{Op: "get screenshot", Status: 404}
}

// List implements orchestrator.Vendor.
func (v vendorPort) List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error) {
	if err := v.reads(ctx, "list %s from %d", o.Tag, o.Offset); err != nil {
		return nil, err
	}
	now := time.Now()
	return v.w.vendor.find(o.Limit, o.Offset, func(s *shot) bool {
		return (o.Tag == "" || v.w.vendor.hasTag(s, o.Tag)) && (o.Status == "" || s.status(now) == o.Status)
	}), nil
}

// Search implements orchestrator.Vendor.
func (v vendorPort) Search(ctx context.Context, o client.SearchOptions) ([]client.Screenshot, error) {
	if err := v.reads(ctx, "search %s from %d", o.URL, o.Offset); err != nil {
		return nil, err
	}
	return v.w.vendor.find(o.Limit, o.Offset, func(s *shot) bool { return strings.Contains(s.url, o.URL) }), nil
}
