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
	maxBatches = 4
	maxRows    = 9
)

// operator simulates the users of the command line. Each command is a separate
// process.
type operator struct {
	w        *world
	batches  []*batchOrder
	canceled []commandTarget // targets of cancel commands, which a retry might use
}

// commandTarget is a job, or its whole batch.
type commandTarget struct {
	id    jobs.ID
	whole bool
}

// batchOrder is a batch that the operator imported, and the expected result.
type batchOrder struct {
	id       string
	rows     []rowOrder
	accepted bool // the command reported success
	failed   bool // the command reported an error

	shots int // images of a row; 0 means 1
	pdf   bool
}

type rowOrder struct {
	url   string
	state jobs.State // expected: queued, duplicate or rejected

	options jobs.Request // with the row's options only
	amended []string     // URLs that commands might have given the row
}

// giveCommand gives one random command.
func (o *operator) giveCommand() {
	if o.w.budgets.giveCommand() {
		return
	}
	d := o.w.random
	if len(o.batches) == 0 || len(o.batches) < maxBatches && d.chance(0.2) {
		o.importBatch()
		return
	}
	batch := oneOf(d, o.batches).id
	if o.w.profile.files && d.chance(0.25) {
		if d.chance(0.5) {
			o.orderFiles(batch)
		} else {
			o.amend()
		}
		return
	}
	switch n := d.upTo(100); {
	case n < 10:
		o.command("pause", batch, func(ctx context.Context, p *process, batch string) error {
			return p.port.Pause(ctx, batch, "", p.now())
		})
	case n < 35:
		o.command("resume", batch, resume)
	case n < 50:
		o.cancel(batch)
	case n < 62:
		o.retry(batch)
	case n < 64:
		o.command("replay", batch, func(ctx context.Context, p *process, _ string) error {
			_, err := p.port.ReplayCallbacks(ctx, jobs.CallbackFilter{}, p.now())
			return err
		})
	case n < 84:
		o.retryFalselyFailed()
	case n < 90:
		o.amend()
	case n < 96:
		older := d.span(0, jobTimeout)
		o.command("reconcile", batch, func(ctx context.Context, p *process, _ string) error {
			_, err := p.Reconcile(ctx, orchestrator.ReconcileOptions{Older: older})
			return err
		})
	}
}

// someJob draws a job of the batch, or a pending job of any batch.
func (o *operator) someJob(batch string) jobs.ID {
	var pending []jobs.ID
	for _, seq := range slices.Sorted(maps.Keys(o.w.checker.jobs)) {
		if j := o.w.checker.jobs[seq]; j.state == jobs.Pending {
			pending = append(pending, jobs.ID{Batch: j.batch, Row: j.row()})
		}
	}
	if len(pending) > 0 && o.w.random.chance(0.7) {
		return oneOf(o.w.random, pending)
	}
	return jobs.ID{Batch: batch, Row: int64(1 + o.w.random.upTo(maxRows))}
}

// cancel cancels a batch, or one of its jobs.
func (o *operator) cancel(batch string) {
	id := o.someJob(batch)
	batch = id.Batch
	whole := o.w.random.chance(0.2)
	atOnce := o.w.random.chance(0.4) // retry in the same command
	o.canceled = append(o.canceled, commandTarget{id, whole})
	o.command("cancel", batch, func(ctx context.Context, p *process, _ string) (err error) {
		o.w.checker.noteCommand(o.w.checker.canceled, id, whole)
		if whole {
			_, err = orchestrator.CancelBatch(ctx, p.port, batch, orchestrator.SystemClock{})
		} else {
			_, err = orchestrator.Cancel(ctx, p.port, []jobs.ID{id}, orchestrator.SystemClock{})
		}
		if err != nil || !atOnce {
			return err
		}
		return o.retryNow(ctx, p, id, whole, []jobs.State{jobs.Canceled})
	})
}

// retryNow retries a job, or its whole batch.
func (o *operator) retryNow(ctx context.Context, p *process, id jobs.ID, whole bool, states []jobs.State) (err error) {
	o.w.checker.noteCommand(o.w.checker.retried, id, whole)
	if whole {
		_, err = orchestrator.RetryBatch(ctx, p.port, p.Orchestrator, id.Batch, states, orchestrator.SystemClock{})
	} else {
		_, err = orchestrator.RetryJob(ctx, p.port, p.Orchestrator, id, states, orchestrator.SystemClock{})
	}
	return err
}

// retry gives a retry command for a batch, or one of its jobs.
func (o *operator) retry(batch string) {
	o.giveRetry(jobs.ID{Batch: batch, Row: int64(1 + o.w.random.upTo(maxRows))}, o.w.random.chance(0.5))
}

// retryFalselyFailed gives a retry command for a job that failed by a false
// webhook, before the true one arrives.
func (o *operator) retryFalselyFailed() {
	if failed := o.w.checker.falselyFailed(); len(failed) > 0 {
		o.giveRetry(oneOf(o.w.random, failed), false)
	}
}

func (o *operator) giveRetry(id jobs.ID, whole bool) {
	batch := id.Batch
	states := []jobs.State{jobs.Failed, jobs.TimedOut}
	if o.w.random.chance(0.5) {
		states = append(states, jobs.Canceled)
	}
	if len(o.canceled) > 0 && o.w.random.chance(0.6) {
		last := oneOf(o.w.random, o.canceled)
		id, whole, batch, states = last.id, last.whole, last.id.Batch, []jobs.State{jobs.Canceled}
	}
	o.command("retry", batch, func(ctx context.Context, p *process, _ string) error {
		return o.retryNow(ctx, p, id, whole, states)
	})
}

func resume(ctx context.Context, p *process, batch string) error {
	return p.port.Resume(ctx, batch, p.now())
}

// command runs a command in a new process, which ends with the command.
func (o *operator) command(name, batch string, do func(context.Context, *process, string) error) {
	p := o.w.launch("cli")
	if p == nil {
		return
	}
	p.begin(name+" "+batch, func(ctx context.Context) error { return do(ctx, p, batch) }, nil)
	p.draining = true
}

// importBatch imports a batch with a few rows. Some of them repeat an earlier row
// or cannot become jobs.
func (o *operator) importBatch() {
	d := o.w.random
	order := &batchOrder{id: fmt.Sprintf("b%d", len(o.batches)+1)}
	spec := jobs.BatchSpec{ID: order.id}
	o.w.budgets.draw(&spec)
	if d.chance(o.w.profile.callbacks) {
		spec.CallbackURL = "https://" + oneOf(d, hosts[len(sinks):]) + "/" + order.id
	}
	if o.w.profile.files {
		o.setOutputs(order, &spec)
	}
	if d.chance(0.15) {
		o.addJob(order, spec)
		return
	}
	seen := map[string]bool{}
	hasOptions := d.chance(0.3)
	var rows requests
	for i := range 1 + d.upTo(maxRows) {
		// All batches use the same sites, so that the vendor's cache has an effect.
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
			o.setOptions(&request, order.id)
			row.options = jobs.Request{CallbackURL: request.CallbackURL, Timeout: request.Timeout, Priority: request.Priority}
		}
		same := row.url + " " + request.CallbackURL
		if row.state == jobs.Queued && seen[same] {
			row.state = jobs.Duplicate
		}
		seen[same] = seen[same] || row.state == jobs.Queued
		order.rows = append(order.rows, row)
		rows = append(rows, request)
	}
	o.batches = append(o.batches, order)
	if d.chance(0.3) && !o.w.profile.firstTagOnly {
		spec.Tags = []string{"autumn"}
	}
	var files jobs.DownloadOrder
	if o.w.profile.files && d.chance(0.5) {
		files = o.w.drawOrder(order.id)
	}
	o.command("import", order.id, func(ctx context.Context, p *process, _ string) error {
		_, err := orchestrator.Import(ctx, p.port, spec, &rows, orchestrator.SystemClock{}, orchestrator.ImportOptions{})
		order.accepted, order.failed = err == nil, err != nil
		if err != nil || files.Folder == "" {
			return err
		}
		return p.port.OrderDownload(ctx, files, p.now())
	})
}

// setOutputs gives a batch other outputs than one image for each row.
func (o *operator) setOutputs(order *batchOrder, spec *jobs.BatchSpec) {
	spec.Params = jobs.Params{}
	if o.w.random.chance(0.2) {
		order.shots = 2
		spec.Params["shots"] = order.shots
	}
	if o.w.random.chance(0.2) {
		order.pdf = true
		spec.Params["pdf"] = true
	}
}

// setOptions gives a row options that differ from those of its batch.
func (o *operator) setOptions(r *jobs.Request, batch string) {
	d := o.w.random
	if d.chance(o.w.profile.callbacks) {
		r.CallbackURL = fmt.Sprintf("https://%s/%s/%d", oneOf(d, hosts[len(sinks):]), batch, r.Line)
	}
	if d.chance(0.5) {
		r.Timeout = d.span(jobTimeout/2, jobTimeout+10*time.Second)
	}
	if d.chance(0.5) {
		r.Priority = new(d.upTo(3) - 1)
	}
}

// addJob adds one single job.
func (o *operator) addJob(order *batchOrder, spec jobs.BatchSpec) {
	order.rows = []rowOrder{{url: "https://site.test/0/", state: jobs.Queued}}
	o.batches = append(o.batches, order)
	o.command("add", order.id, func(ctx context.Context, p *process, _ string) error {
		_, err := p.port.AddJob(ctx, spec, jobs.Request{URL: order.rows[0].url}, p.now())
		order.accepted, order.failed = err == nil, err != nil
		return err
	})
}

// requests is a source of rows to import.
type requests []jobs.Request

func (r *requests) Next() (jobs.Request, error) {
	if len(*r) == 0 {
		return jobs.Request{}, io.EOF
	}
	first := (*r)[0]
	*r = (*r)[1:]
	return first, nil
}
