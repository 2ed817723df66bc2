package receiver

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"shotline/jobs"
)

// Bounds of what is recorded of refused webhooks, so that a flood of them costs
// little.
const (
	refusalGroup   = 20 // refusals that are recorded in a group; the others are counted
	refusalReason  = 300
	refusalHeaders = 30
	refusalName    = 64
)

// refused are the results that the operator can do something about. The others are
// trouble of the store or of the connection.
var refused = []Result{WrongMethod, WrongEncoding, TooLarge, WrongSignature, Malformed, WrongPath}

// refusals collects a group of refused webhooks.
type refusals struct {
	mu    sync.Mutex
	group []jobs.Refusal
}

// add records a refused webhook, or counts it if the group is complete.
func (r *refusals) add(req *http.Request, now time.Time, result Result, err error) {
	if !slices.Contains(refused, result) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.group); n >= refusalGroup {
		r.group[n-1].More++
		return
	}
	d := jobs.Refusal{At: now, Path: oneLine(req.URL.Path, maxPath), Result: string(result), Status: result.status(err), Reason: oneLine(err.Error(), refusalReason)}
	for i, name := range slices.Sorted(maps.Keys(req.Header)) {
		if i == refusalHeaders {
			break
		}
		d.Headers = append(d.Headers, oneLine(name, refusalName))
	}
	r.group = append(r.group, d)
}

// take returns the group and begins the next one.
func (r *refusals) take() []jobs.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	group := r.group
	r.group = nil
	return group
}

// RefusalStore keeps refused webhooks.
type RefusalStore interface {
	AddRefusals(ctx context.Context, refusals []jobs.Refusal) error
}

// KeepRefusals writes the webhooks that were refused since the last call: their
// time, path and reason, and the names of their headers, but neither bodies nor
// values. At most 20 are written, and the others counted. If they cannot be
// written, they are dropped.
func (r *Receiver) KeepRefusals(ctx context.Context, store RefusalStore) error {
	group := r.refusals.take()
	if len(group) == 0 {
		return nil
	}
	return store.AddRefusals(ctx, group)
}
