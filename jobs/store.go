package jobs

import (
	"context"
	"time"
)

// Store keeps all state. Every method is one durable, atomic step unless its
// comment says otherwise: when it returns nil, its effect survives a crash.
// Several processes can use one store at the same time. Guarded updates decide
// which of them wins, not locks held between calls. All methods are safe for
// concurrent use. The caller passes the time, so that a simulated clock can drive
// everything.
//
// If the store cannot write at the moment, it returns an error that is
// ErrUnavailable, and nothing has changed.
type Store interface {
	Imports
	Ledger
	Inbox
	Closures
	Budgets
	Upkeep
	Outbox
	Files
	Reader
	Close() error
}

// Imports turns rows into jobs.
type Imports interface {
	// CreateBatch creates an empty batch in the state importing. It returns a
	// *KeyTakenError if the Key is taken, ErrExists if the id is taken, and
	// ErrInvalid if the id is malformed or the priority is out of range.
	CreateBatch(ctx context.Context, spec BatchSpec, at time.Time) error
	// AddJob creates an open Single batch that holds this one request. It stores
	// both or neither. The errors are those of CreateBatch, and ErrInvalid if the
	// request has Reject set. Options of the request override those of spec and
	// become the batch's. Concurrent calls share commits.
	AddJob(ctx context.Context, spec BatchSpec, r Request, at time.Time) (Job, error)
	// AppendRequests adds rows to a batch that is importing, numbered from its last
	// row on. It returns ErrState if the batch is in another state. A request with
	// Reject set becomes a rejected row, any other a queued one. A call stores all
	// of its rows or none.
	AppendRequests(ctx context.Context, batch string, requests []Request, at time.Time) error
	// CompareRows compares the rows of a batch that is importing with those of the
	// batches that were compared before and were created at since or later. It
	// returns the newest of them that has equal rows, or nil. Rows are equal if there
	// are as many, if each asks for the same URL with the same parameters, tags and
	// callback URL as the row in the same place, and if the batches have the same
	// parameters and tags. It returns ErrState if the batch is not importing.
	CompareRows(ctx context.Context, batch string, since time.Time) (*SameRowsError, error)
	// OpenBatch ends the import. First it marks duplicates, in several short
	// transactions: a row is a duplicate if an earlier row has the same URL,
	// parameters and tags, and the same callback URL if it has one. Then it opens
	// the batch in one transaction. A batch without a queued job is finished at
	// once. It returns ErrState if the batch is not importing.
	OpenBatch(ctx context.Context, batch string, at time.Time) (Batch, error)
	// RemoveImport removes a batch that is still importing, with all its rows, in
	// several short transactions. If a crash interrupts it, the next call
	// continues. The first transaction frees the batch's Key.
	RemoveImport(ctx context.Context, batch string) error
	// StaleImports lists batches that are importing and had no call of
	// AppendRequests since before. A call without rows counts.
	StaleImports(ctx context.Context, before time.Time) ([]string, error)
}

// Ledger records every create that might have cost money.
type Ledger interface {
	// Lease moves up to n queued jobs of an open batch to submitting and leases
	// them to owner until expiry. Jobs of higher priority come first, and jobs of
	// equal priority in row order. If the batch is not open, it returns no leases.
	// The first lease of a job begins attempt 1; a retried job keeps the attempt
	// that the retry gave it. Lease also postpones the batch's wake time by a third
	// of the lease; see ClaimWork.
	Lease(ctx context.Context, batch, owner string, n int, at, expiry time.Time) ([]Lease, error)
	// OpenIntent commits that the create of this lease is about to be sent, and
	// extends the lease to expiry. It counts one vendor call for the batch. It
	// returns ErrLeaseLost unless all of this holds: the job is still submitting,
	// in this attempt, leased to lease.Owner, and the lease has not expired at at;
	// the submission has no open intent; the batch is open. So, once a pause is
	// acknowledged, nothing more is sent except creates whose intent is already
	// open. It reserves credits, see Budgets. If a budget does not allow the create,
	// it returns ErrBudgetReached or ErrBudgetReserved, and the lease stays as it is.
	//
	// In the lease that it returns, Sends is 1 unless an earlier create of
	// the submission was in doubt and might still prove to have taken effect.
	OpenIntent(ctx context.Context, lease Lease, at, expiry time.Time) (Lease, error)
	// Requeue returns leased jobs to the queue in the same attempt. The caller
	// knows that nothing was sent or that the create had no effect. Open intents
	// are withdrawn. Their vendor calls are subtracted again unless the lease has
	// Sent set. Leases that are no longer held are skipped. A job is canceled
	// instead if somebody asked to cancel it in the meantime.
	Requeue(ctx context.Context, leases []Lease, at time.Time) (Effects, error)
	// Doubt ends the leases of jobs whose create might have taken effect although
	// no response arrived. The jobs stay submitting and are in doubt since at.
	Doubt(ctx context.Context, leases []Lease, at time.Time) error
	// ExpireLeases takes back at most limit jobs whose lease expired by at. A job
	// without an open intent is queued again. A job with an open intent is in doubt
	// since at.
	ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error)
	// ClaimDoubts returns up to limit submissions in doubt whose next look-up is
	// due by at, the oldest doubt first. It sets their next look-up to again, so
	// that two processes do not query the vendor for the same submission. A new
	// doubt is due at once.
	ClaimDoubts(ctx context.Context, at, again time.Time, limit int) ([]Submission, error)
	// RecheckDoubts ends claims early. It sets the next look-up to next for those
	// submissions that are still in doubt since the same time.
	RecheckDoubts(ctx context.Context, submissions []Submission, next time.Time) error
	// Resend queues the jobs of submissions that have been in doubt since before
	// settledBefore and still have no screenshot. The attempt stays the same.
	// Submissions that were adopted in the meantime are skipped. A job is canceled
	// instead if somebody asked to cancel it in the meantime.
	Resend(ctx context.Context, submissions []Submission, settledBefore, at time.Time) (Effects, error)
	// Observe records results that the vendor reported. It skips observations that
	// name no submission of ours. For each of the others, in this order:
	//
	//   - If the submission has no screenshot id, it gets this one. Its job, which
	//     is submitting or queued to be sent again, becomes pending. The job's
	//     deadline is deadline, or its own Timeout after at if it has one.
	//     Deliveries held for the id are applied in the same transaction, as closed
	//     by webhook. The time of submission is at if by is create; otherwise it is
	//     the time of the newest intent that is open or was lost.
	//   - If the submission has another screenshot id, it was charged twice. The
	//     screenshot is kept as an extra one, and counted once on the job and on
	//     the batch.
	//   - Cost, error and image URL are stored if they are not known yet. The costs
	//     of all screenshots of a job add up, on the job and on the batch.
	//   - If the newest summary lacks a double charge or a cost, the batch gets its
	//     next revision, one per call.
	//   - The outcomes done and failed go through the guarded close with provenance
	//     by. With provenance poll they also settle conflicts; see Closures.
	//   - If somebody asked to cancel the job while its create was under way, and
	//     its screenshot id is now known, the job is canceled, unless the
	//     observation or the inbox brings its result.
	//
	// With provenance poll the inbox is applied first, in the same transaction,
	// because a webhook that was acknowledged takes precedence.
	Observe(ctx context.Context, observations []Observation, by Provenance, at, deadline time.Time) (Effects, error)
	// CountCalls adds n vendor calls to the batch's total.
	CountCalls(ctx context.Context, batch string, n int) error
}

// WorkKind is a kind of work that a batch can need.
type WorkKind string

// The kinds of work.
const (
	WorkSubmit    WorkKind = "submit"
	WorkSummarize WorkKind = "summarize"
)

// Work is due work of a batch, claimed under its own generation.
type Work struct {
	Kind       WorkKind
	Batch      string
	Single     bool // see BatchSpec
	Revision   int  // of the summary to make
	Generation int64
}

// Upkeep keeps the work of all processes moving.
type Upkeep interface {
	// ClaimWork returns work that is due: submission of open batches with queued
	// jobs, and summaries of finished batches whose newest summary is older than
	// their revision. Work is due if its wake time has come by at. The wake time is
	// the batch's own, or that of its most urgent queued row if its rows have
	// priorities. Higher priority comes first. Then come batches that were never
	// claimed since the work became due, and then those with the earliest wake
	// time.
	//
	// For each kind of work and priority at most limit batches are under way at a
	// time. A batch is under way if it needs work and its wake time is after at.
	// Batches whose rows have priorities are counted separately.
	//
	// Each claimed batch gets its next generation and the wake time again, so that
	// it is claimed again only if nothing happens before then. If batches are
	// named, no other batch is claimed or changed, and limit is ignored.
	ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]Work, error)
	// WakeBatch sets the time from which a batch can be claimed again and returns
	// its next generation.
	WakeBatch(ctx context.Context, batch string, wake time.Time) (generation int64, err error)
	// Identity returns the id of this store. It is the same for all processes that
	// open the store, and no other store has it. A copy of the storage is another
	// store.
	Identity(ctx context.Context) (id string, err error)
	// SaveSummary stores the summary of a revision. It does nothing if a summary of
	// this or a newer revision is stored. It also does nothing if the double
	// charges or the cost of the batch differ from counts: the summary was made
	// from older figures and must be made again. It reports whether this call
	// stored the summary.
	SaveSummary(ctx context.Context, batch string, revision int, counts Counts, data []byte, at time.Time) (stored bool, err error)
	// ClaimTick returns true to one caller if the named tick is due by at. The tick
	// is then due again at next. A tick that is due after next was claimed by a
	// clock that was ahead, and counts as due.
	ClaimTick(ctx context.Context, name string, at, next time.Time) (bool, error)
	// Recount compares the counters of a batch with a count over its rows, in one
	// snapshot and without blocking writers. If they differ, because of a bug or of
	// outside interference, it counts again in a write transaction and corrects the
	// counters. The state of the batch follows: a finished batch with open jobs
	// opens again, a batch without open jobs finishes, and a batch whose stored
	// summary has wrong counters gets its next revision.
	Recount(ctx context.Context, batch string, at time.Time) (Repair, error)
	// Prune removes the records that r allows to be removed, in short transactions
	// with pauses between them. If it is interrupted, the finished transactions
	// stand. It keeps deliveries that are held or not applied yet, and the newest
	// delivery, which keeps places unique. A delivery that is repeated after its
	// first copy was pruned still counts as a repeat, because submissions remember
	// their results.
	Prune(ctx context.Context, r Retention) (Pruned, error)
	// Announce records that a worker was alive at w.SeenAt. Withdraw records that
	// it ended.
	Announce(ctx context.Context, w Worker) error
	Withdraw(ctx context.Context, id string) error
}

// Reader reads committed state. A read never waits for a writer.
type Reader interface {
	// Batch returns a batch with its counters. It returns ErrNotFound if there is
	// none.
	Batch(ctx context.Context, id string) (Batch, error)
	// Batches lists batches, newest first. If before is not empty, it lists only
	// batches that were created before that one.
	Batches(ctx context.Context, before string, limit int) ([]Batch, error)
	// CountBatches counts all batches without reading them.
	CountBatches(ctx context.Context) (int64, error)
	// Job returns one job. It returns ErrNotFound if there is none.
	Job(ctx context.Context, id ID) (Job, error)
	// History returns everything that is kept about one job. It searches a limited
	// number of deliveries and events, from the time on at which the job came in or
	// was sent. It returns ErrNotFound if there is no such job.
	History(ctx context.Context, id ID) (History, error)
	// Jobs returns a page of jobs.
	Jobs(ctx context.Context, f JobFilter) ([]Job, error)
	// Search returns a page of jobs and the job after which the next page begins.
	// The zero id means that there are no more jobs. A page can hold fewer jobs
	// than match, or none, if jobs are large or if finding them took too many rows.
	// It returns ErrNotFound if the batch of the filter or of After does not exist.
	Search(ctx context.Context, f JobSearch) (page []Job, next ID, err error)
	// Rows returns a page of a batch's rows after the given row, in row order. A
	// duplicate comes with the row that it repeats.
	Rows(ctx context.Context, batch string, after int64, limit int) ([]Row, error)
	// Requests returns a page of the requests of a batch's rows after the given row,
	// in row order. A request has all that AppendRequests stores of it, so another
	// batch of the same requests has the same jobs, duplicates and rejected rows.
	// If a row was amended, it is the new request.
	Requests(ctx context.Context, batch string, after int64, limit int) ([]Request, error)
	// Overdue returns pending jobs whose deadline passed by at, the earliest first.
	// If batches are named, it returns only their jobs.
	Overdue(ctx context.Context, at time.Time, limit int, batches ...string) ([]Job, error)
	// NextDeadline returns the earliest deadline of a pending job. It returns the
	// zero time if no job is pending.
	NextDeadline(ctx context.Context) (time.Time, error)
	// PendingBatches lists batches with pending jobs, each with the number of jobs
	// that have been pending since before.
	PendingBatches(ctx context.Context, before time.Time) (map[string]int, error)
	// Pending returns pending jobs of a batch that were submitted by before, in row
	// order, after the given row.
	Pending(ctx context.Context, batch string, before time.Time, after int64, limit int) ([]Job, error)
	// Outstanding counts everything that has not ended.
	Outstanding(ctx context.Context) (Outstanding, error)
	// Unexplained counts the ended jobs of a batch whose screenshot has no known
	// cost, and the failed ones without a reason. If a submission was sent again or
	// its create was lost, its job has no known cost until the cost of each create
	// is known. The same holds for submissions of older attempts.
	Unexplained(ctx context.Context, batch string) (costs, reasons int, err error)
	// LostCreates returns submissions with fewer known screenshots than creates
	// sent, because creates were lost. The vendor might still list a screenshot
	// that it charged for. Only batches that finished at since or later are
	// searched. Submissions come in the order of their jobs and attempts, after the
	// given one.
	LostCreates(ctx context.Context, since time.Time, after Submission, limit int) ([]Submission, error)
	// Summary returns the newest stored summary. The revision is 0 if there is
	// none.
	Summary(ctx context.Context, batch string) (revision int, data []byte, err error)
	// Timings returns statistics of the time from submission to closure of done
	// jobs.
	Timings(ctx context.Context, batch string) (Timings, error)
	// Reasons groups failed, timed out, canceled and rejected rows by their error,
	// the most frequent first. Errors of rejected rows that differ only in what they
	// quote are one group, with "…" for what is quoted.
	Reasons(ctx context.Context, batch string, limit int) ([]Reason, error)
	// Tally counts a batch from its rows and submissions. The result equals the
	// batch's counters, except APICalls.
	Tally(ctx context.Context, batch string) (Counts, error)
	// Events returns a page of the event log and the place up to which it has
	// searched, which is After for the next page. At the end of the log that is the
	// newest place. A page can hold fewer events than match, or none, if too many
	// others were searched. It returns ErrNotFound if the batch of the filter does
	// not exist.
	Events(ctx context.Context, f EventFilter) (page []Event, upTo int64, err error)
	// EventRange returns the oldest and the newest place in the log. Events before
	// the oldest were pruned; some after it might have been pruned too. If all were
	// pruned, oldest is newest+1. Both are 0 if the log never held an event.
	EventRange(ctx context.Context) (oldest, newest int64, err error)
	// Held returns the screenshots of held deliveries that arrived before before,
	// each once, the longest held first. all is the number of held deliveries of
	// any age.
	Held(ctx context.Context, before time.Time, limit int) (screenshots []string, all int, err error)
	// Delivery returns one delivery of the inbox. It returns ErrNotFound if there
	// is none or it was pruned.
	Delivery(ctx context.Context, seq int64) (KeptDelivery, error)
	// Unapplied returns a page of the deliveries that changed no job, newest first,
	// without their bodies. It returns ErrInvalid if the filter has another
	// disposition.
	Unapplied(ctx context.Context, f DeliveryFilter) ([]KeptDelivery, error)
	// Refusals lists the webhooks that were not accepted, newest first.
	Refusals(ctx context.Context) ([]Refusal, error)
	// Workers lists workers that were alive at since or later.
	Workers(ctx context.Context, since time.Time) ([]Worker, error)
	// Totals sums over all batches. Its cost grows with the number of batches,
	// doubts, held deliveries and undelivered or dead callbacks, but not with the
	// number of jobs.
	Totals(ctx context.Context) (Totals, error)
	// News waits until anything is committed after the version after, by any
	// process, and returns the new version. It returns at most delay after the
	// commit. Commits that follow each other within delay share one return, so a
	// caller that calls News in a loop is woken at most once per delay. If after is
	// 0, News returns the present version without waiting. If ctx ends first, News
	// returns after and the context's error.
	//
	// A store whose database cannot notify it may look for commits once per delay.
	// Waiting costs nearly nothing and writes nothing.
	News(ctx context.Context, after Version, delay time.Duration) (Version, error)
}

// Version identifies what a store held at a moment: it changes with every commit.
// It is never 0. Versions can only be compared for equality, and only with those
// that the same opened store returned.
type Version int64

// Row is a row of a batch as the results show it.
type Row struct {
	Job
	Original *Job // the row that a duplicate repeats
}

// Totals are counts over the whole store.
type Totals struct {
	Batches map[BatchState]int64
	Stopped int64  // batches that an error paused
	Counts  Counts // sum over all batches
	Doubts  int64  // submissions in doubt
	Held    int64  // deliveries held
	Inbox   int64  // place of the newest delivery; 0 if there is none
	Cursor  int64  // place up to which deliveries are applied

	Unapplied time.Time // arrival of the oldest delivery after Cursor; zero if there is none

	CallbacksOwed int64
	CallbacksDead int64
	CallbackDue   time.Time // of the undelivered callback that has been due the longest; zero if there is none
	EventLag      int64     // events that the slowest reader of the log has not read yet

	FilesWanted int64 // files that are recorded as wanted
}

// Timings are statistics of the time from submission to closure.
type Timings struct {
	Count               int64
	Min, Mean, P50, P95 time.Duration
	Max                 time.Duration
}

// Reason is a group of rows that ended in the same way.
type Reason struct {
	State State
	Error string
	Count int64
	First ID  // the first such row
	Line  int // its line in the input; 0 if it has none
}
