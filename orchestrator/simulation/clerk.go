package simulation

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/orchestrator"
)

const (
	mostBatches = 4
	mostRows    = 9
)

// clerk is whoever uses the command line: each command is a process of its own.
type clerk struct {
	w       *world
	batches []*batchOrder
	regrets []regret // what was canceled, and may be wanted after all
}

// regret is a job, or its whole batch.
type regret struct {
	id    jobs.ID
	whole bool
}

// batchOrder is what the clerk wanted to have imported.
type batchOrder struct {
	id       string
	rows     []rowOrder
	accepted bool // the command said that it is done
	denied   bool // the command said that it is not
}

type rowOrder struct {
	url   string
	state jobs.State // queued, duplicate or rejected
}

// act gives one command.
func (c *clerk) act() {
	d := c.w.dice
	if len(c.batches) == 0 || len(c.batches) < mostBatches && d.chance(0.2) {
		c.load()
		return
	}
	batch := oneOf(d, c.batches).id
	switch n := d.upTo(100); {
	case n < 10:
		c.command("pause", batch, func(ctx context.Context, p *process, batch string) error {
			return p.port.Pause(ctx, batch, "", p.now())
		})
	case n < 35:
		c.command("resume", batch, resume)
	case n < 50:
		c.cancel(batch)
	case n < 62:
		c.retry(batch)
	case n < 64:
		c.command("replay", batch, func(ctx context.Context, p *process, _ string) error {
			_, err := p.port.ReplayCallbacks(ctx, jobs.CallbackFilter{}, p.now())
			return err
		})
	case n < 84:
		c.retryMisjudged()
	case n < 94:
		older := d.span(0, jobTimeout)
		c.command("reconcile", batch, func(ctx context.Context, p *process, _ string) error {
			_, err := p.Reconcile(ctx, orchestrator.ReconcileOptions{Older: older})
			return err
		})
	}
}

// someJob is one of a batch, or of those that wait for their screenshot.
func (c *clerk) someJob(batch string) jobs.ID {
	var pending []jobs.ID
	for _, seq := range slices.Sorted(maps.Keys(c.w.books.jobs)) {
		if j := c.w.books.jobs[seq]; j.state == jobs.Pending {
			pending = append(pending, jobs.ID{Batch: j.batch, Row: j.row()})
		}
	}
	if len(pending) > 0 && c.w.dice.chance(0.7) {
		return oneOf(c.w.dice, pending)
	}
	return jobs.ID{Batch: batch, Row: int64(1 + c.w.dice.upTo(mostRows))}
}

// cancel ends a batch, or one job of it.
func (c *clerk) cancel(batch string) {
	id := c.someJob(batch)
	batch = id.Batch
	whole := c.w.dice.chance(0.2)
	atOnce := c.w.dice.chance(0.4) // it is wanted after all
	c.regrets = append(c.regrets, regret{id, whole})
	c.command("cancel", batch, func(ctx context.Context, p *process, _ string) (err error) {
		c.w.books.asked(c.w.books.canceled, id, whole)
		if whole {
			_, err = orchestrator.CancelBatch(ctx, p.port, batch, orchestrator.SystemClock{})
		} else {
			_, err = orchestrator.Cancel(ctx, p.port, []jobs.ID{id}, orchestrator.SystemClock{})
		}
		if err != nil || !atOnce {
			return err
		}
		return c.again(ctx, p, id, whole, []jobs.State{jobs.Canceled})
	})
}

// again retries a job, or its whole batch.
func (c *clerk) again(ctx context.Context, p *process, id jobs.ID, whole bool, states []jobs.State) (err error) {
	c.w.books.asked(c.w.books.retried, id, whole)
	if whole {
		_, err = orchestrator.RetryBatch(ctx, p.port, p.Orchestrator, id.Batch, states, orchestrator.SystemClock{})
	} else {
		_, err = orchestrator.RetryJob(ctx, p.port, p.Orchestrator, id, states, orchestrator.SystemClock{})
	}
	return err
}

// retry sends a batch, or one job of it, again.
func (c *clerk) retry(batch string) {
	c.retryOf(jobs.ID{Batch: batch, Row: int64(1 + c.w.dice.upTo(mostRows))}, c.w.dice.chance(0.5))
}

// retryMisjudged sends a job again that failed by a lie, before the truth comes.
func (c *clerk) retryMisjudged() {
	if lied := c.w.books.misjudged(); len(lied) > 0 {
		c.retryOf(oneOf(c.w.dice, lied), false)
	}
}

func (c *clerk) retryOf(id jobs.ID, whole bool) {
	batch := id.Batch
	states := []jobs.State{jobs.Failed, jobs.TimedOut}
	if c.w.dice.chance(0.5) {
		states = append(states, jobs.Canceled)
	}
	if len(c.regrets) > 0 && c.w.dice.chance(0.6) {
		last := oneOf(c.w.dice, c.regrets)
		id, whole, batch, states = last.id, last.whole, last.id.Batch, []jobs.State{jobs.Canceled}
	}
	c.command("retry", batch, func(ctx context.Context, p *process, _ string) error {
		return c.again(ctx, p, id, whole, states)
	})
}

func resume(ctx context.Context, p *process, batch string) error {
	return p.port.Resume(ctx, batch, p.now())
}

// command does something in a process that ends with it.
func (c *clerk) command(name, batch string, do func(context.Context, *process, string) error) {
	p := c.w.launch("cli")
	if p == nil {
		return
	}
	p.begin(name+" "+batch, func(ctx context.Context) error { return do(ctx, p, batch) }, nil)
	p.draining = true
}

// load imports a batch of some rows, one or two of which repeat another or
// cannot become jobs.
func (c *clerk) load() {
	d := c.w.dice
	order := &batchOrder{id: fmt.Sprintf("b%d", len(c.batches)+1)}
	spec := jobs.BatchSpec{ID: order.id}
	if d.chance(c.w.profile.callbacks) {
		spec.CallbackURL = "https://" + oneOf(d, hosts[len(sinks):]) + "/" + order.id
	}
	if d.chance(0.15) {
		c.single(order, spec)
		return
	}
	seen := map[string]bool{}
	hasOptions := d.chance(0.3)
	var rows requests
	for i := range 1 + d.upTo(mostRows) {
		// Batches share their sites, so that the vendor's cache has a say.
		row := rowOrder{url: fmt.Sprintf("https://site.test/%d/", i), state: jobs.Queued}
		request := jobs.Request{Line: i + 1}
		switch {
		case i > 0 && d.chance(0.1) && order.rows[i-1].state == jobs.Queued:
			row.url = order.rows[i-1].url
		case d.chance(0.05):
			row.url, row.state = "nonsense", jobs.Rejected
			request.Reject = "not a URL"
		}
		request.URL = row.url
		if hasOptions && row.state == jobs.Queued {
			c.options(&request, order.id)
		}
		same := row.url + " " + request.CallbackURL
		if row.state == jobs.Queued && seen[same] {
			row.state = jobs.Duplicate
		}
		seen[same] = seen[same] || row.state == jobs.Queued
		order.rows = append(order.rows, row)
		rows = append(rows, request)
	}
	c.batches = append(c.batches, order)
	if d.chance(0.3) && !c.w.profile.firstTagOnly {
		spec.Tags = []string{"autumn"}
	}
	c.command("import", order.id, func(ctx context.Context, p *process, _ string) error {
		_, err := orchestrator.Import(ctx, p.port, spec, &rows, orchestrator.SystemClock{}, nil)
		order.accepted, order.denied = err == nil, err != nil
		return err
	})
}

// options have a row want something otherwise than its batch.
func (c *clerk) options(r *jobs.Request, batch string) {
	d := c.w.dice
	if d.chance(c.w.profile.callbacks) {
		r.CallbackURL = fmt.Sprintf("https://%s/%s/%d", oneOf(d, hosts[len(sinks):]), batch, r.Line)
	}
	if d.chance(0.5) {
		r.Timeout = d.span(jobTimeout/2, jobTimeout+10*time.Second)
	}
	if d.chance(0.5) {
		r.Priority = new(d.upTo(3) - 1)
	}
}

// single asks for one job by itself.
func (c *clerk) single(order *batchOrder, spec jobs.BatchSpec) {
	order.rows = []rowOrder{{"https://site.test/0/", jobs.Queued}}
	c.batches = append(c.batches, order)
	c.command("add", order.id, func(ctx context.Context, p *process, _ string) error {
		_, err := p.port.AddJob(ctx, spec, jobs.Request{URL: order.rows[0].url}, p.now())
		order.accepted, order.denied = err == nil, err != nil
		return err
	})
}

// requests are rows to import.
type requests []jobs.Request

func (r *requests) Next() (jobs.Request, error) {
	if len(*r) == 0 {
		return jobs.Request{}, io.EOF
	}
	first := (*r)[0]
	*r = (*r)[1:]
	return first, nil
}
