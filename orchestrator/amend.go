package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"shotline/jobs"
)

// amendBytes limits the rows that one transaction amends, as importBytes does.
const amendBytes = importBytes

// AmendStore is the part of the store that amending needs.
type AmendStore interface {
	RetryStore
	Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error)
	Amend(ctx context.Context, batch string, amendments []jobs.Amendment, at time.Time) (jobs.Effects, error)
}

// AmendOptions are the options of AmendBatch.
type AmendOptions struct {
	// Columns are the columns of the requests' Cells. If the batch has columns, all
	// of them must be among these.
	Columns []string
	// By is the column whose value names the row. If it is empty, Request.Job does.
	By string
	// Again allows that a done job gets another request, which is paid for.
	Again bool
}

// AmendBatch puts corrected rows back into their batch. First it reads all
// requests and compares them with the batch. If one of them cannot be used, it
// returns an ErrInput that names its line, and changes nothing:
//
//   - It names no row of the batch, or a row that another request names.
//   - It has another request for a job that is open, or that is done unless Again
//     is set.
//   - It is bad, and its row is a job.
//
// A row that is done, open or a duplicate with the same request, or rejected for
// the same reason, is left alone. A failed, timed out or canceled job with the
// same request is retried as RetryBatch does it. All other rows are amended; see
// jobs.Closures.
//
// Rows are amended in short transactions. If one fails, the rows before it are
// amended. The same call leaves these alone and continues.
func AmendBatch(ctx context.Context, store AmendStore, checker Checker, batch string, requests Requests, options AmendOptions, clock Clock) (jobs.AmendCounts, error) {
	a := amender{retrier: retrier{store: store, checker: checker, clock: clock}, store: store, options: options}
	var err error
	if a.batch, err = store.Batch(ctx, batch); err == nil && a.batch.State == jobs.BatchImporting {
		err = fmt.Errorf("%w: it is importing", jobs.ErrState)
	}
	if err == nil {
		err = a.plan(ctx, requests)
	}
	if err != nil {
		return a.counts(), fmt.Errorf("amend batch %s: %w", batch, err)
	}
	a.sort()
	for rest := a.planned; len(rest) > 0; {
		n := min(retryChunk, len(rest))
		for n < len(rest) && !rest[n-1].mayEnd(rest[n]) {
			n++
		}
		if err := a.amendChunk(ctx, rest[:n]); err != nil {
			return a.counts(), err
		}
		rest = rest[n:]
	}
	return a.counts(), a.uncheckedError()
}

// AmendBatch calls the function AmendBatch with the orchestrator's parts.
func (o *Orchestrator) AmendBatch(ctx context.Context, batch string, requests Requests, options AmendOptions) (jobs.AmendCounts, error) {
	return AmendBatch(ctx, o.store, o, batch, requests, options, o.clock)
}

// amender holds the state of one amendment of a batch.
type amender struct {
	retrier
	store   AmendStore
	options AmendOptions
	planned []planned

	amended, unchanged, separated int
}

// planned is a row that is to be amended or retried.
type planned struct {
	job     jobs.Job // without its large fields
	request jobs.Request
	same    bool // whether the job has this request
	large   bool // whether its group is too large for one transaction
}

// group returns the row of the job that the row repeats, or the row itself.
func (p planned) group() int64 { return cmp.Or(p.job.DuplicateOf, p.job.ID.Row) }

// mayEnd reports whether a transaction may end between two rows that follow each
// other.
func (p planned) mayEnd(next planned) bool { return p.large || p.group() != next.group() }

// sort brings the rows into the order in which they are amended. If a job is
// amended before a duplicate of it, and not in the same transaction, the duplicate
// becomes a job with the old request. So a job and its duplicates are amended
// together, or else the duplicates first.
func (a *amender) sort() {
	sizes := map[int64]int{}
	for _, p := range a.planned {
		sizes[p.group()]++
	}
	for i, p := range a.planned {
		a.planned[i].large = sizes[p.group()] > retryPage
	}
	slices.SortFunc(a.planned, func(a, b planned) int {
		last := 0
		if a.large && a.group() == b.group() {
			last = cmp.Compare(b.job.DuplicateOf, a.job.DuplicateOf)
		}
		return cmp.Or(cmp.Compare(a.group(), b.group()), last, cmp.Compare(a.job.ID.Row, b.job.ID.Row))
	})
}

func (a *amender) counts() jobs.AmendCounts {
	return jobs.AmendCounts{RetryCounts: a.RetryCounts, Amended: a.amended, Unchanged: a.unchanged, Separated: a.separated}
}

// plan reads the requests and compares them with the rows of the batch.
func (a *amender) plan(ctx context.Context, requests Requests) error {
	cells, err := a.alignment()
	if err != nil {
		return err
	}
	var given []jobs.Request
	lines := map[int64]int{} // of the requests, by their row
	for {
		request, err := requests.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, jobs.ErrNoRoom) {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInput, err)
		}
		given = append(given, request)
	}
	rows, err := a.match(ctx, given)
	if err != nil {
		return err
	}
	for i, request := range given {
		id := jobs.ID{Batch: a.batch.ID, Row: rows[i]}
		if first, taken := lines[id.Row]; taken {
			return badLine(request, "it is for row %d of the batch, and so is line %d", id.Row, first)
		}
		lines[id.Row] = request.Line
		j, err := a.store.Job(ctx, id)
		if errors.Is(err, jobs.ErrNotFound) {
			return badLine(request, "the batch has no row %d", id.Row)
		}
		if err != nil {
			return err
		}
		if err := a.checkRow(ctx, j, request); err != nil {
			return err
		}
		same := request.SameAs(j)
		if a.leaves(j, request, same) {
			a.unchanged++
			continue
		}
		request.Cells = cells(request.Cells)
		a.planned = append(a.planned, planned{jobs.Job{ID: j.ID, State: j.State, Attempt: j.Attempt, ScreenshotID: j.ScreenshotID,
			SubmittedAt: j.SubmittedAt, Timeout: j.Timeout, ClosedBy: j.ClosedBy, Conflicts: j.Conflicts, VendorSays: j.VendorSays, DuplicateOf: j.DuplicateOf}, request, same, false})
	}
	return nil
}

func badLine(r jobs.Request, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrInput, r.Line, fmt.Sprintf(format, args...))
}

// checkRow returns an ErrInput if the row cannot get this request.
func (a *amender) checkRow(ctx context.Context, j jobs.Job, r jobs.Request) error {
	same := r.SameAs(j)
	switch {
	case j.State.Open() && !same:
		return badLine(r, "job %s is still %s: wait for its end or cancel it first", j.ID, j.State)
	case r.Reject != "" && j.State != jobs.Rejected && j.State != jobs.Duplicate:
		return badLine(r, "job %s cannot get this request: %s", j.ID, r.Reject)
	case j.State == jobs.Done && !same && !a.options.Again:
		return badLine(r, "job %s is done: to pay for a screenshot of its new request, add --again", j.ID)
	case r.Priority == nil || j.Priority != nil:
		return nil
	}
	ranked, err := a.hasPriorities(ctx)
	if err == nil && !ranked {
		return badLine(r, "it has a priority, but the rows of the batch have none")
	}
	return err
}

// hasPriorities reports whether the rows of the batch have priorities.
func (a *amender) hasPriorities(ctx context.Context) (found bool, err error) {
	err = a.eachRow(ctx, func(j jobs.Job) error {
		found = found || j.Priority != nil
		return nil
	})
	return found, err
}

// eachRow visits all rows of the batch.
func (a *amender) eachRow(ctx context.Context, visit func(jobs.Job) error) error {
	for after := int64(0); ; {
		page, err := a.store.Rows(ctx, a.batch.ID, after, retryPage)
		if err != nil {
			return err
		}
		for _, row := range page {
			if err := visit(row.Job); err != nil {
				return err
			}
			after = row.ID.Row
		}
		if len(page) < retryPage {
			return nil
		}
	}
}

// leaves reports whether a row needs no amendment and no retry.
func (a *amender) leaves(j jobs.Job, r jobs.Request, same bool) bool {
	if r.Reject != "" {
		return j.State == jobs.Rejected && j.Error == r.Reject && j.URL == r.URL
	}
	return same && !slices.Contains(jobs.Retriable, j.State)
}

// amendChunk queries the vendor about jobs that keep their request and might have
// an image. Then it amends the rows of the chunk.
func (a *amender) amendChunk(ctx context.Context, chunk []planned) error {
	var same []jobs.Job
	for _, p := range chunk {
		if p.same {
			same = append(same, p.job)
		}
	}
	answers := a.check(ctx, same)
	unchecked, waiting := idsOf(answers.Unchecked), idsOf(answers.Waiting)
	a.Unchecked += len(unchecked)
	var page []jobs.Amendment
	size := 0
	for i, p := range chunk {
		if !unchecked[p.job.ID] {
			from := []jobs.State{p.job.State}
			if p.job.State == jobs.TimedOut {
				from = append(from, jobs.Failed) // the vendor might have reported that
			}
			page = append(page, jobs.Amendment{Request: p.request,
				Retry: jobs.Retry{Job: p.job.ID, Attempt: p.job.Attempt, From: from, Waits: waiting[p.job.ID]}})
			size += p.request.Size()
		}
		last := i == len(chunk)-1
		full := len(page) >= retryPage || size >= amendBytes
		if len(page) > 0 && (last || full && p.mayEnd(chunk[i+1])) {
			if err := a.amendPage(ctx, page); err != nil {
				return err
			}
			page, size = nil, 0
		}
	}
	return nil
}

// amendPage amends rows and counts the results.
func (a *amender) amendPage(ctx context.Context, page []jobs.Amendment) error {
	effects, err := a.store.Amend(ctx, a.batch.ID, page, a.clock.Now())
	if err != nil {
		return err
	}
	amended := make(map[jobs.ID]bool, len(effects.Amended))
	for _, id := range effects.Amended {
		amended[id] = true
	}
	a.amended += len(effects.Amended)
	a.separated += len(effects.Separated)
	var others []jobs.Retry
	for _, amendment := range page {
		if !amended[amendment.Job] {
			others = append(others, amendment.Retry)
		}
	}
	return a.count(ctx, others, effects.Retried)
}
