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

// AmendBatch puts corrected rows back into their batch. First it reads all
// requests and compares them with the batch. If one of them cannot be used, it
// returns an ErrInput that contains a *jobs.AmendError, and changes nothing:
//
//   - It names no row of the batch, or a row that another request names.
//   - It has another request for a job that is open, or that is done unless Again
//     is set. Then the error is also a jobs.ErrState.
//   - It is bad, and its row is a job.
//
// A row that is done, open or a duplicate with the same request, or rejected for
// the same reason, is left alone. A failed, timed out or canceled job with the
// same request is retried as RetryBatch does it. All other rows are amended; see
// jobs.Closures.
//
// The requests are kept in a temporary file. Memory grows by about 100 bytes with
// each.
//
// Rows are amended in short transactions. If one fails, the rows before it are
// amended. The same call leaves these alone and continues.
func AmendBatch(ctx context.Context, store AmendStore, checker Checker, batch string, requests Requests, options jobs.AmendOptions, clock Clock) (counts jobs.AmendCounts, err error) {
	a := amender{retrier: retrier{store: store, checker: checker, clock: clock}, store: store, options: options}
	if a.drafts, err = newScratch(options.TempDir); err != nil {
		return counts, fmt.Errorf("amend batch %s: %w", batch, err)
	}
	defer func() { err = errors.Join(err, a.drafts.close()) }()
	if a.batch, err = store.Batch(ctx, batch); err == nil && a.batch.State == jobs.BatchImporting {
		err = fmt.Errorf("%w: it is importing", jobs.ErrState)
	}
	if err == nil {
		err = a.plan(ctx, requests)
	}
	if err != nil {
		return a.counts(), fmt.Errorf("amend batch %s: %w", batch, err)
	}
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
func (o *Orchestrator) AmendBatch(ctx context.Context, batch string, next func() (jobs.Request, error), options jobs.AmendOptions) (jobs.AmendCounts, error) {
	return AmendBatch(ctx, o.store, o, batch, nextRequest(next), options, o.clock)
}

// amender holds the state of one amendment of a batch.
type amender struct {
	retrier
	store   AmendStore
	options jobs.AmendOptions
	cells   func(jobs.Request) []string // see alignment
	from    []int                       // the columns of the table, for each column of the batch
	drafts  *scratch
	planned []planned
	ranked  *bool // whether the rows of the batch have priorities; nil: not known

	amended, unchanged, separated int
}

// planned is a request and its row. There is one for each line of a file, so it
// is small.
type planned struct {
	row      int64
	original int64 // row of the job that the row repeats; 0 if it is none
	draft    place // of the draft
	line     int32
	left     bool // left alone
	same     bool // the job has this request
	large    bool // its group is too large for one transaction
}

// draft is what is planned for a row.
type draft struct {
	Request request
	Job     endedJob
}

// request is a request in a scratch file.
type request struct {
	jobs.Request
	Job *jobs.ID `json:",omitempty"` // nil; in its place, the zero ID would have no valid text
}

// endedJob are the fields of a job that a retry needs.
type endedJob struct {
	State        jobs.State
	Attempt      int
	ScreenshotID string          `json:",omitempty"`
	SubmittedAt  time.Time       `json:",omitzero"`
	Timeout      time.Duration   `json:",omitempty"`
	ClosedBy     jobs.Provenance `json:",omitempty"`
	Conflicts    int             `json:",omitempty"`
	VendorSays   jobs.Outcome    `json:",omitempty"`
}

func (e endedJob) job(id jobs.ID) jobs.Job {
	return jobs.Job{ID: id, State: e.State, Attempt: e.Attempt, ScreenshotID: e.ScreenshotID, SubmittedAt: e.SubmittedAt,
		Timeout: e.Timeout, ClosedBy: e.ClosedBy, Conflicts: e.Conflicts, VendorSays: e.VendorSays}
}

// group returns the row of the job that the row repeats, or the row itself.
func (p planned) group() int64 { return cmp.Or(p.original, p.row) }

// mayEnd reports whether a transaction may end between two rows that follow each
// other.
func (p planned) mayEnd(next planned) bool { return p.large || p.group() != next.group() }

func (a *amender) counts() jobs.AmendCounts {
	return jobs.AmendCounts{RetryCounts: a.RetryCounts, Amended: a.amended, Unchanged: a.unchanged, Separated: a.separated}
}

// plan reads the requests and compares them with the rows of the batch.
func (a *amender) plan(ctx context.Context, requests Requests) error {
	var err error
	if a.cells, err = a.alignment(); err != nil {
		return err
	}
	if a.options.By != "" {
		err = a.matchByColumn(ctx, requests)
	} else {
		err = a.matchByJob(ctx, requests)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(a.planned, func(a, b planned) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.line, b.line)) })
	for i := 1; i < len(a.planned); i++ {
		if first, second := a.planned[i-1], a.planned[i]; first.row == second.row {
			return twice(second.line, first.line, "row %d of the batch is named twice", second.row)
		}
	}
	a.planned = slices.DeleteFunc(a.planned, func(p planned) bool { return p.left })
	a.sort()
	return nil
}

// twice returns the error for a request for the same row as an earlier one.
func twice(line, first int32, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInput, &jobs.AmendError{Line: int(line), First: int(first), Reason: fmt.Sprintf(format, args...)})
}

// eachRequest calls take with each request.
func eachRequest(requests Requests, take func(jobs.Request) error) error {
	for {
		r, err := requests.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, jobs.ErrNoRoom):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrInput, err)
		}
		if err := take(r); err != nil {
			return err
		}
	}
}

// add plans a request for its row.
func (a *amender) add(ctx context.Context, j jobs.Job, r jobs.Request) error {
	r = a.keep(r, j)
	if err := a.checkRow(ctx, j, r); err != nil {
		return err
	}
	p := planned{row: j.ID.Row, original: j.DuplicateOf, line: int32(r.Line), same: r.SameAs(j)}
	if p.left = a.leaves(j, r, p.same); p.left {
		a.unchanged++
	} else {
		r.Cells = a.cells(r)
		var err error
		p.draft, err = a.drafts.add(draft{request{Request: r}, endedJob{j.State, j.Attempt, j.ScreenshotID, j.SubmittedAt, j.Timeout, j.ClosedBy, j.Conflicts, j.VendorSays}})
		if err != nil {
			return err
		}
	}
	a.planned = append(a.planned, p)
	return nil
}

// sort brings the rows into the order in which they are amended. If a job is
// amended before a duplicate of it, and not in the same transaction, the duplicate
// becomes a job with the old request. So a job and its duplicates are amended
// together, or else the duplicates first.
func (a *amender) sort() {
	slices.SortFunc(a.planned, func(a, b planned) int {
		return cmp.Or(cmp.Compare(a.group(), b.group()), cmp.Compare(a.row, b.row))
	})
	for begin, end := 0, 0; begin < len(a.planned); begin = end {
		size := 0
		for end < len(a.planned) && a.planned[end].group() == a.planned[begin].group() {
			size += a.planned[end].draft.size
			end++
		}
		group := a.planned[begin:end]
		if len(group) <= retryPage && size <= amendBytes {
			continue
		}
		for i := range group {
			group[i].large = true
		}
		slices.SortStableFunc(group, func(a, b planned) int { return cmp.Compare(b.original, a.original) })
	}
}

// badLine returns the error for a request that cannot be used. If cause is not nil,
// the error is one of this kind, too.
func badLine(line int, cause error, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInput, &jobs.AmendError{Line: line, Reason: fmt.Sprintf(format, args...), Cause: cause})
}

// checkRow returns an ErrInput if the row cannot get this request.
func (a *amender) checkRow(ctx context.Context, j jobs.Job, r jobs.Request) error {
	same := r.SameAs(j)
	switch {
	case j.State.Open() && !same:
		return badLine(r.Line, jobs.ErrState, "job %s is still %s: wait for its end or cancel it first", j.ID, j.State)
	case r.Reject != "" && j.State != jobs.Rejected && j.State != jobs.Duplicate:
		return badLine(r.Line, nil, "job %s cannot get this request: %s", j.ID, r.Reject)
	case j.State == jobs.Done && !same && !a.options.Again:
		reason := fmt.Sprintf("job %s is done, and its new request would be paid for", j.ID)
		return fmt.Errorf("%w: %w", ErrInput, &jobs.AmendError{Line: r.Line, Reason: reason, Option: jobs.AmendAgain, Cause: jobs.ErrState})
	case r.Priority == nil || j.Priority != nil:
		return nil
	}
	ranked, err := a.hasPriorities(ctx)
	if err == nil && !ranked {
		return badLine(r.Line, nil, "it has a priority, but the rows of the batch have none")
	}
	return err
}

// hasPriorities reports whether the rows of the batch have priorities.
func (a *amender) hasPriorities(ctx context.Context) (bool, error) {
	if a.ranked != nil {
		return *a.ranked, nil
	}
	found := false
	err := a.eachRow(ctx, func(j jobs.Job) error {
		found = found || j.Priority != nil
		return nil
	})
	a.ranked = &found
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
			d, err := a.draft(p)
			if err != nil {
				return err
			}
			same = append(same, d.Job.job(a.id(p)))
		}
	}
	answers := a.check(ctx, same)
	unchecked, waiting := idsOf(answers.Unchecked), idsOf(answers.Waiting)
	a.Unchecked += len(unchecked)
	var page []jobs.Amendment
	size := 0
	for i, p := range chunk {
		if id := a.id(p); !unchecked[id] {
			d, err := a.draft(p)
			if err != nil {
				return err
			}
			from := []jobs.State{d.Job.State}
			if d.Job.State == jobs.TimedOut {
				from = append(from, jobs.Failed) // the vendor might have reported that
			}
			page = append(page, jobs.Amendment{Request: d.Request.Request, Retry: jobs.Retry{Job: id, Attempt: d.Job.Attempt, From: from, Waits: waiting[id]}})
			size += p.draft.size
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

func (a *amender) id(p planned) jobs.ID { return jobs.ID{Batch: a.batch.ID, Row: p.row} }

func (a *amender) draft(p planned) (d draft, err error) {
	return d, a.drafts.get(p.draft, &d)
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
