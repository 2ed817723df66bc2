package orchestrator

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"shotline/jobs"
)

// maxReasons is the number of reasons that a Preview counts one by one.
const maxReasons = 1000

// OptionCostStore returns costs of option sets, see jobs.Budgets.
type OptionCostStore interface {
	OptionCosts(ctx context.Context, options []string) (map[string]jobs.OptionCost, error)
}

// PreviewImport reads all requests and returns what an import of them would do. It
// changes nothing. It keeps a hash of each row in memory, to find duplicates.
func PreviewImport(ctx context.Context, store OptionCostStore, spec jobs.BatchSpec, requests Requests) (jobs.Preview, error) {
	p := previewer{spec: jobs.Batch{BatchSpec: spec}, seen: map[[16]byte]struct{}{}, reasons: map[string]int{}, sets: map[string]int64{}}
	for {
		request, err := requests.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = p.add(request)
		}
		if err != nil {
			return jobs.Preview{}, fmt.Errorf("%w: %w", ErrInput, err)
		}
	}
	slices.SortStableFunc(p.Reasons, func(a, b jobs.PreviewReason) int { return int(b.Count - a.Count) })
	err := p.price(ctx, store)
	return p.Preview, err
}

// previewer is a jobs.Preview while it is made.
type previewer struct {
	jobs.Preview
	spec    jobs.Batch
	seen    map[[16]byte]struct{}
	reasons map[string]int   // index in Reasons by text
	sets    map[string]int64 // creates by option set
}

func (p *previewer) add(r jobs.Request) error {
	p.Rows++
	if r.Reject != "" {
		p.Rejected++
		p.reject(r)
		return nil
	}
	// The same fields make a duplicate as in a store.
	same := []any{r.URL, nil, nil, r.CallbackURL}
	if len(r.Params) > 0 {
		same[1] = r.Params
	}
	if len(r.Tags) > 0 {
		same[2] = r.Tags
	}
	text, err := json.Marshal(same)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	key := [16]byte(sum[:16])
	if _, duplicate := p.seen[key]; duplicate {
		p.Duplicates++
		return nil
	}
	p.seen[key] = struct{}{}
	p.Accepted++
	p.sets[optionSet(p.spec, jobs.Job{Params: r.Params})]++
	return nil
}

func (p *previewer) reject(r jobs.Request) {
	if i, known := p.reasons[r.Reject]; known {
		p.Reasons[i].Count++
		return
	}
	if len(p.Reasons) < maxReasons {
		p.reasons[r.Reject] = len(p.Reasons)
		p.Reasons = append(p.Reasons, jobs.PreviewReason{Text: r.Reject, Count: 1, Row: p.Rows, Line: r.Line})
	}
}

// price estimates the cost of the creates.
func (p *previewer) price(ctx context.Context, store OptionCostStore) error {
	costs, err := store.OptionCosts(ctx, slices.Collect(maps.Keys(p.sets)))
	if err != nil {
		return err
	}
	for options, n := range p.sets {
		cost, known := costs[options]
		if !known {
			p.Unknown += n
			continue
		}
		p.Credits += float64(n) * cost.Total / float64(cost.Creates)
		p.Most += float64(n) * cost.Highest
	}
	return nil
}

// PreviewBatch returns what an import of all requests would do, see PreviewImport.
func (o *Orchestrator) PreviewBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Preview, error) {
	return PreviewImport(ctx, o.store, spec, nextRequest(next))
}
