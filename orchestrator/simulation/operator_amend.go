package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/orchestrator"
)

// amend gives a command that corrects up to three rows of a batch. Mostly they have
// ended and not become an image. Some get the URL that they have, or that of another
// row. Sometimes two such commands run at the same time.
func (o *operator) amend() {
	d := o.w.random
	order := oneOf(d, o.batches)
	var ended []int64
	for _, seq := range slices.Sorted(maps.Keys(o.w.checker.jobs)) {
		if j := o.w.checker.jobs[seq]; j.batch == order.id && j.final() && j.state != jobs.Done {
			ended = append(ended, j.row())
		}
	}
	rows := map[int64]bool{}
	for range 1 + d.upTo(3) {
		if len(ended) > 0 && d.chance(0.8) {
			rows[oneOf(d, ended)] = true
		} else {
			rows[int64(1+d.upTo(len(order.rows)))] = true
		}
	}
	for range 1 + d.upTo(2) {
		o.giveAmendment(order, slices.Sorted(maps.Keys(rows)), d.chance(0.5))
	}
}

func (o *operator) giveAmendment(order *batchOrder, rows []int64, again bool) {
	d := o.w.random
	var corrected requests
	for _, row := range rows {
		was := &order.rows[row-1]
		request := was.options
		request.Line, request.Job, request.URL = int(row), jobs.ID{Batch: order.id, Row: row}, was.url
		switch n := d.upTo(10); {
		case n < 6 || was.state == jobs.Rejected:
			request.URL = fmt.Sprintf("https://site.test/fixed/%d/", d.upTo(4))
		case n < 8:
			if other := oneOf(d, order.rows); other.state != jobs.Rejected {
				request.URL = other.url
			}
		}
		if was.state == jobs.Rejected && d.chance(0.1) {
			request.Reject = "still not a URL"
		}
		corrected = append(corrected, request)
		was.amended = append(was.amended, request.URL)
	}
	o.giveCorrected(order, corrected, again)
}

// amendToDuplicates gives each finished batch at most one row the URL of another one,
// so that nothing is queued. It runs when all work has ended.
func (w *world) amendToDuplicates() {
	for _, order := range w.operator.batches {
		var row int64
		var had, url string
		for _, seq := range slices.Sorted(maps.Keys(w.checker.jobs)) {
			switch j := w.checker.jobs[seq]; {
			case j.batch != order.id:
			case j.state == jobs.Failed || j.state == jobs.TimedOut:
				row, had = j.row(), j.url
			case j.state == jobs.Done:
				url = j.url
			}
		}
		if row == 0 || url == "" || had == url {
			continue
		}
		was := &order.rows[row-1]
		request := was.options
		request.Line, request.Job, request.URL = int(row), jobs.ID{Batch: order.id, Row: row}, url
		was.amended = append(was.amended, url)
		w.operator.giveCorrected(order, requests{request}, true)
	}
	w.runTo(time.Now().Add(endsIn + summarizedIn))
	w.awaitCallbacks()
}

func (o *operator) giveCorrected(order *batchOrder, corrected requests, again bool) {
	o.command("amend", order.id, func(ctx context.Context, p *process, batch string) error {
		for _, request := range corrected {
			o.w.checker.noteCommand(o.w.checker.amended, request.Job, false)
			o.w.checker.noteCommand(o.w.checker.retried, request.Job, false)
		}
		_, err := orchestrator.AmendBatch(ctx, p.port, p.Orchestrator, batch, &corrected, jobs.AmendOptions{Again: again}, orchestrator.SystemClock{})
		return err
	})
}
