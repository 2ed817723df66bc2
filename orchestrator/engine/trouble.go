package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"shotline/jobs"
	"shotline/receiver"
)

// pingTime bounds the question whether the queue answers.
const pingTime = time.Second

// troubles returns what keeps this process from its work, apart from the vendor.
func (e *Engine) troubles(ctx context.Context) (list []jobs.Trouble) {
	ping, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if err := e.queue.Ping(ping); err != nil && ctx.Err() == nil {
		list = append(list, jobs.Trouble{Kind: jobs.TroubleQueue, Text: err.Error()})
	}
	if e.cfg.Space != nil {
		if err := e.cfg.Space(); err != nil {
			list = append(list, jobs.Trouble{Kind: jobs.TroubleDisk, Text: err.Error()})
		}
	}
	return append(list, e.refused.list()...)
}

// refusedCounts count the webhooks that were refused since the last good one.
type refusedCounts struct {
	some       atomic.Bool // whether there are any, so that good webhooks need no lock
	mu         sync.Mutex
	signatures jobs.Trouble
	paths      jobs.Trouble
}

// observing returns an observer of webhooks that counts them and then calls next,
// which can be nil.
func (r *refusedCounts) observing(next func(result string, took time.Duration)) func(result string, took time.Duration) {
	return func(result string, took time.Duration) {
		switch receiver.Result(result) {
		case receiver.Accepted:
			r.clear()
		case receiver.WrongSignature:
			r.count(&r.signatures, jobs.TroubleSignature)
		case receiver.WrongPath:
			r.count(&r.paths, jobs.TroublePath)
		}
		if next != nil {
			next(result, took)
		}
	}
}

func (r *refusedCounts) clear() {
	if !r.some.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.some.Store(false)
	r.signatures, r.paths = jobs.Trouble{}, jobs.Trouble{}
}

func (r *refusedCounts) count(t *jobs.Trouble, kind jobs.TroubleKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.some.Store(true)
	if t.Count == 0 {
		*t = jobs.Trouble{Kind: kind, Since: clock.Now()}
	}
	t.Count++
}

func (r *refusedCounts) list() (list []jobs.Trouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range []jobs.Trouble{r.signatures, r.paths} {
		if t.Count > 0 {
			list = append(list, t)
		}
	}
	return list
}
