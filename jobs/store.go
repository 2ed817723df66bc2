package jobs

import (
	"context"
	"time"
)

// Store is the only memory. Every method is one durable, atomic step unless it
// says otherwise: when it returns nil, what it did survives a crash. Several
// processes may use one store at the same time; guarded updates, not locks
// held between calls, decide who wins. All methods are safe for concurrent
// use. Times come from the caller, so that a simulated clock can drive
// everything.
//
// A store that cannot write at the moment returns an error that is
// ErrUnavailable; nothing has happened then.
type Store interface {
	Imports
	Ledger
	Inbox
	Closures
	Upkeep
	Outbox
	Reader
	Close() error
}

// Imports is how rows become jobs.
type Imports interface {
	// CreateBatch makes an empty batch that is importing. A *KeyTakenError when
	// its Key is taken, else ErrExists when the id is; ErrInvalid when the id has
	// not the form of one or the priority is out of its bounds.
	CreateBatch(ctx context.Context, spec BatchSpec, at time.Time) error
	// AddJob makes an open batch of this one request, a Single one, whole or not
	// at all, with errors as CreateBatch has them; ErrInvalid for a request to
	// reject. Options of the request win over those of spec and become the batch's.
	// Concurrent calls share commits.
	AddJob(ctx context.Context, spec BatchSpec, r Request, at time.Time) (Job, error)
	// AppendRequests adds rows to a batch that is importing (else ErrState),
	// numbered on from its last row. A request with Reject set becomes a
	// rejected row, any other a queued one. All rows of one call or none.
	AppendRequests(ctx context.Context, batch string, requests []Request, at time.Time) error
	// OpenBatch ends the import: rows equal to an earlier one (same URL,
	// parameters, tags and, if they have one, URL to call) become duplicates, in several short transactions,
	// and then, in one, the batch opens; with no job to do it is finished at
	// once. ErrState unless importing.
	OpenBatch(ctx context.Context, batch string, at time.Time) (Batch, error)
	// RemoveImport removes a batch that is still importing and all its rows, in
	// several short transactions; called again after a crash it goes on. The first
	// of them frees the batch's Key.
	RemoveImport(ctx context.Context, batch string) error
	// StaleImports lists batches that are importing and were not appended to, not
	// even nothing, since before.
	StaleImports(ctx context.Context, before time.Time) ([]string, error)
}

// Ledger is the record of what may have cost money.
type Ledger interface {
	// Lease moves up to n queued jobs of an open batch to submitting, those of
	// higher priority first and equals in row order, owned by owner until until. None when the batch is not open. A
	// job's first lease begins its attempt 1; one that was retried keeps its own.
	// It also puts the batch's wake time off by a third of the lease, see
	// ClaimWork.
	Lease(ctx context.Context, batch, owner string, n int, at, until time.Time) ([]Lease, error)
	// OpenIntent commits that the create of this lease is about to be sent, and
	// extends the lease to until. It counts one vendor call for the batch.
	// ErrLeaseLost unless the job is still submitting, in this attempt, owned
	// by lease.Owner, with time left at at and without an open intent, and its
	// batch is open: once a pause is acknowledged nothing more is sent but what
	// was about to be. The lease it returns has Sends: 1 unless an earlier create
	// of the submission was in doubt, and may still turn out to have taken effect.
	OpenIntent(ctx context.Context, lease Lease, at, until time.Time) (Lease, error)
	// Requeue hands leased jobs back, queued in the same attempt: nothing was
	// sent, or the vendor surely took no effect. Open intents are withdrawn, and
	// their vendor calls are counted no more unless they were Sent. Leases that
	// are not held any more are passed over. What somebody asked to cancel
	// meanwhile is canceled.
	Requeue(ctx context.Context, leases []Lease, at time.Time) (Effects, error)
	// Doubt ends the leases of jobs whose create may have taken effect without
	// an answer. They stay submitting, in doubt since at.
	Doubt(ctx context.Context, leases []Lease, at time.Time) error
	// ExpireLeases takes back jobs whose lease ended by at: queued again when
	// no intent was open, in doubt since at when one was. At most limit jobs.
	ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error)
	// ClaimDoubts returns up to limit submissions in doubt whose next look-up is
	// due by at, oldest doubt first, and sets their next look-up to again, so
	// that two processes do not ask the vendor the same. A submission that is
	// put in doubt is due at once.
	ClaimDoubts(ctx context.Context, at, again time.Time, limit int) ([]Submission, error)
	// RecheckDoubts ends claims before their time: it sets the next look-up of
	// the submissions that are still in doubt, since the same time, to next.
	RecheckDoubts(ctx context.Context, submissions []Submission, next time.Time) error
	// Resend queues the jobs of submissions that are in doubt since before
	// settledBefore and still have no screenshot, in the same attempt; what
	// was adopted in the meantime is passed over. What somebody asked to cancel
	// meanwhile is canceled.
	Resend(ctx context.Context, submissions []Submission, settledBefore, at time.Time) (Effects, error)
	// Observe records what the vendor said. For each observation that names a
	// submission of ours, in this order:
	//
	//   - a submission without a screenshot id gets this one: a submitting job, or
	//     one queued to be sent anew, becomes pending with this deadline, or, with a
	//     Timeout of its own, one so long after at, and
	//     deliveries held for the id are applied, in the same transaction, as
	//     closed by webhook. It was submitted at at if by is create, else at the
	//     time of its intent: of the newest one that is open or was lost;
	//   - a submission that has another screenshot id was charged twice: the
	//     screenshot is kept as an extra one, once, and counted on job and batch;
	//   - cost, error and image URL are filled in where they are not known yet;
	//     costs of all screenshots of a job add up, on the job and on the batch;
	//   - a double charge or a cost that the newest summary does not have gives
	//     the batch its next revision, one for all of the call;
	//   - done and failed go through the guarded close with provenance by; with
	//     provenance poll they settle conflicts, see Closures;
	//   - a job that somebody asked to cancel while its create was under way, and
	//     that has its screenshot id now, is canceled, unless the observation or
	//     the inbox, which is applied first, brings its result.
	//
	// Observations that name no submission are passed over. With provenance poll
	// the inbox is applied first, in the same transaction: a webhook that was
	// acknowledged is the first word.
	Observe(ctx context.Context, observations []Observation, by Provenance, at, deadline time.Time) (Effects, error)
	// CountCalls adds n vendor calls to the batch's total.
	CountCalls(ctx context.Context, batch string, n int) error
}

// Closures is the one guarded way to a final state. A close has effect when
//
//   - the job is pending or submitting, in the attempt that the result is for;
//   - the job is timed_out in that attempt: done or failed, recorded as late;
//   - the job failed in that attempt because the vendor refused its create, and an
//     earlier create of the attempt had an effect after all: done, recorded as late;
//   - the job is canceled and to be retried: see Retry;
//   - the result is done, for an older attempt, and the newest one ended
//     failed or timed_out (or ends so later): done, recorded as late; of
//     several older pictures that were told of before, the newest;
//   - the vendor has settled a conflict against the recorded result, see below:
//     a correction.
//
// The result of a double charge's screenshot is recorded and moves nothing: the
// wanted one decides.
//
// A closing job gets one event; a late one is told by job.late alone, a
// correction by job.corrected alone. A done job has no error; a canceled one is
// reopened by nothing but a retry.
//
// Any other result for a job that has ended is a repeat, or, when it
// contradicts the recorded result of the same screenshot, a conflict that is
// counted. The first result stands, and the vendor is to be asked about the
// screenshot, see ClaimConflicts, unless it is a double charge. In the same
// transaction counters, events and the end of the batch are written.
//
// A final result that Observe brings with provenance poll is the vendor's word.
// It settles the open conflict of its screenshot, and is not counted as one
// more; where it contradicts a recorded result that nothing contradicted before,
// it is a conflict, and settles it. Of several words in one call the last counts.
// When the word confirms the recorded result, the job stays as it is. Otherwise
// the word becomes the screenshot's result, and the job is corrected in the same
// transaction, with provenance poll unless something else is said:
//
//   - failed or timed_out: it becomes done with this picture, as late when the
//     picture is an older attempt's or the job's end was late;
//   - done with this picture: it becomes done, as late, with the newest picture
//     that another attempt brought, with the provenance of that result; else
//     failed. Where the picture was an older attempt's, the job ends as its
//     newest attempt did, with the provenance of that: failed, or timed_out if
//     that has no result yet;
//   - anything else (open, canceled, done with another picture) stays, and the
//     result counts where an older attempt's does.
//
// A correction of a finished batch is a revision. It leaves the job Corrected
// until a retry. A conflict is settled once: results that contradict the
// vendor's word later are only counted, so that a job cannot go back and forth
// for ever. A retry does not end a conflict.
type Closures interface {
	// CloseJobs closes without a result from the vendor. First, in the same
	// transaction, it applies everything that the inbox holds: a webhook that
	// was acknowledged never loses to a clock.
	CloseJobs(ctx context.Context, closings []Closing, at time.Time) (Effects, error)
	// Cancel ends jobs because somebody asked for it, with provenance cancel,
	// after it has applied the inbox in the same transaction. Queued and pending
	// jobs, and submitting ones for which nothing was sent, are canceled at once.
	// A job with an open intent, or in doubt, is marked (Canceling counts it): the
	// transaction that settles its create cancels it, unless that brings a result.
	// Jobs that have ended and rows that are no jobs are passed over. ErrState,
	// and nothing done, when the batch of one of them is importing.
	Cancel(ctx context.Context, ids []ID, at time.Time) (Effects, error)
	// Retry queues ended jobs again, each as its next attempt, after it has
	// applied the inbox in the same transaction. The job loses what its last
	// attempt had: screenshot, image, error, times, closure and whether it was
	// late or corrected; costs, double charges and conflicts stay, and so do the submissions of
	// older attempts. A finished batch is open again, with its work owed at once;
	// when it finishes it has its next revision. Each job gets the event
	// job.retried. Guards that do not hold pass a job over; ErrInvalid for a From
	// that is not Retriable.
	//
	// What a canceled job has paid for is not paid again. If a screenshot of any
	// of its attempts is known to be done, the job is done, recorded as late, of
	// several with the newest. If its screenshot has no result yet and the retry
	// Waits, it is pending again in the same attempt, until the deadline it had.
	Retry(ctx context.Context, retries []Retry, at time.Time) (Effects, error)
	// ClaimConflicts returns up to limit conflicts about which the vendor is to be
	// asked by at, those that are due longest first, and sets their next check to
	// again. Of one job it returns one at a time. An empty batch means all. A new
	// conflict is due at once. The answer goes to Observe.
	ClaimConflicts(ctx context.Context, batch string, at, again time.Time, limit int) ([]Conflict, error)
	// RecheckConflicts records that the vendor gave no result, and sets the next
	// check of conflicts that are still open. One without a next check is not
	// asked about any more: the first result stands, until the vendor's word comes
	// after all or a further contradiction opens the conflict again. ErrInvalid
	// for a Says that is a result.
	RecheckConflicts(ctx context.Context, rechecks []ConflictRecheck) error
	// ExtendDeadlines gives pending jobs time until until. Jobs that closed
	// meanwhile are passed over.
	ExtendDeadlines(ctx context.Context, ids []ID, until time.Time) error
	// Pause stops submission of an open batch. A non-empty reason says that an
	// error did it; unless the batch was paused by an error before, the same
	// transaction records the event batch.paused. Pausing a paused batch changes
	// the reason. ErrState when it is importing or finished.
	Pause(ctx context.Context, batch, reason string, at time.Time) error
	// Resume opens a paused batch; ErrState otherwise, nil when it is open.
	Resume(ctx context.Context, batch string, at time.Time) error
}

// WorkKind is a kind of owed work.
type WorkKind string

// The kinds of work that a batch can owe.
const (
	WorkSubmit    WorkKind = "submit"
	WorkSummarize WorkKind = "summarize"
)

// Work is something owed for a batch, claimed under a generation of its own.
type Work struct {
	Kind       WorkKind
	Batch      string
	Single     bool // the batch is that of one job that came by itself
	Revision   int  // of a summary
	Generation int64
}

// Upkeep is what keeps everything going.
type Upkeep interface {
	// ClaimWork returns what batches owe (open with queued jobs, finished with
	// an older summary than their revision) and whose wake time has come by at,
	// those of higher priority first: a batch's own, or that of the most urgent
	// queued row where rows have their own. Of each kind of work and priority no
	// more than limit batches are under way at a time, that is, owe something and
	// have a wake time after at. Batches that were never claimed since they owe
	// something come first, then those whose wake time came first.
	// Batches whose rows have priorities are counted apart.
	// Each claimed batch gets the next generation and the wake time again, so
	// that it is claimed anew only when nothing happened till then. If batches are
	// named, no other batch is claimed or changed, and limit does not matter.
	ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]Work, error)
	// WakeBatch sets the time from which a batch is claimed again and returns
	// its next generation.
	WakeBatch(ctx context.Context, batch string, wake time.Time) (generation int64, err error)
	// Identity is an id that no other store has, the same for all who open this one.
	// A copy of the storage is another store.
	Identity(ctx context.Context) (id string, err error)
	// SaveSummary stores the summary of a revision unless one as new is there, or
	// the double charges or the cost of the batch are not those of counts any
	// more: the summary was made from older figures, and is owed anew;
	// told is whether this call stored it.
	SaveSummary(ctx context.Context, batch string, revision int, counts Counts, data []byte, at time.Time) (told bool, err error)
	// ClaimTick is true for one caller when the named tick is due by at; it is
	// then due again at next. A tick that is due after next was claimed by a
	// clock that was ahead: it is due as well.
	ClaimTick(ctx context.Context, name string, at, next time.Time) (bool, error)
	// Recount compares the counters of a batch with a count over its rows, in
	// one snapshot and without keeping any writer waiting. Only when they
	// disagree, which is a bug or somebody's meddling, it counts again in a
	// write and sets the counters right. The ends of the batch follow: one that
	// had finished but holds open jobs opens again; one without an open job
	// finishes; one whose stored summary told wrong counters is revised.
	Recount(ctx context.Context, batch string, at time.Time) (Repair, error)
	// Prune removes what r lets go, in short transactions with pauses between
	// them; when it is interrupted, what is done stays done. It spares what is
	// held or not applied yet, and the newest delivery, which keeps places
	// unique. A delivery that comes again after its first copy was pruned is
	// still a repeat, since submissions remember their results.
	Prune(ctx context.Context, r Retention) (Pruned, error)
	// Announce records that a worker is alive at w.SeenAt, Withdraw that it ended.
	Announce(ctx context.Context, w Worker) error
	Withdraw(ctx context.Context, id string) error
}

// Reader is what can be asked. Reads see committed state and never wait for a
// writer.
type Reader interface {
	// Batch returns a batch with its counters, ErrNotFound without one.
	Batch(ctx context.Context, id string) (Batch, error)
	// Batches lists batches, newest first, created before the named one (all
	// when empty).
	Batches(ctx context.Context, before string, limit int) ([]Batch, error)
	// CountBatches counts all batches without reading them.
	CountBatches(ctx context.Context) (int64, error)
	// Job returns one job, ErrNotFound without one.
	Job(ctx context.Context, id ID) (Job, error)
	// Jobs returns a page of jobs.
	Jobs(ctx context.Context, f JobFilter) ([]Job, error)
	// Search returns a page of jobs, and after which job the next one begins:
	// zero when there are no more. A page may hold fewer jobs than there are when
	// they are large, or when it had to look at too many rows for them, and then
	// even none. ErrNotFound when the batch of the filter, or of After, is not
	// there.
	Search(ctx context.Context, f JobSearch) (page []Job, next ID, err error)
	// Rows returns a page of a batch's rows after a row, in their order, with
	// the row that a duplicate repeats.
	Rows(ctx context.Context, batch string, after int64, limit int) ([]Row, error)
	// Overdue returns pending jobs whose deadline passed by at, earliest first; if
	// batches are named, only theirs.
	Overdue(ctx context.Context, at time.Time, limit int, batches ...string) ([]Job, error)
	// NextDeadline is the earliest deadline of a pending job; zero without one.
	NextDeadline(ctx context.Context) (time.Time, error)
	// PendingBatches lists batches with pending jobs, with how many have been
	// pending since before.
	PendingBatches(ctx context.Context, before time.Time) (map[string]int, error)
	// Pending returns pending jobs of a batch that were submitted by before,
	// in row order, after a row.
	Pending(ctx context.Context, batch string, before time.Time, after int64, limit int) ([]Job, error)
	// Outstanding tells what has not ended.
	Outstanding(ctx context.Context) (Outstanding, error)
	// Unexplained counts ended jobs of a batch that have a screenshot but no
	// known cost, and failed ones without a reason. Submissions that were sent
	// anew, or whose create was lost, count as without a cost until that of each
	// send is known, and so do those of older attempts.
	Unexplained(ctx context.Context, batch string) (costs, reasons int, err error)
	// LostCreates returns submissions of batches that finished at since or later
	// for which more creates were sent than screenshots are known, since creates
	// of theirs were lost: the vendor may still show a screenshot that it charged
	// for. They come in the order of their jobs and attempts, after a submission.
	LostCreates(ctx context.Context, since time.Time, after Submission, limit int) ([]Submission, error)
	// Summary returns the newest stored summary; revision 0 without one.
	Summary(ctx context.Context, batch string) (revision int, data []byte, err error)
	// Timings are the spans between submission and closure of done jobs.
	Timings(ctx context.Context, batch string) (Timings, error)
	// Reasons groups failed, timed out, canceled and rejected rows by their
	// error, most frequent first.
	Reasons(ctx context.Context, batch string, limit int) ([]Reason, error)
	// Tally counts a batch's rows anew, from the rows and submissions
	// themselves. It equals the batch's counters (APICalls excepted).
	Tally(ctx context.Context, batch string) (Counts, error)
	// Events returns a page of the log, and the place up to which it has looked:
	// the next page's After. At the end of the log that is its newest place. A
	// page may hold fewer events than there are, or none, when it had to look at
	// too many others. ErrNotFound when the batch of the filter is not there.
	Events(ctx context.Context, f EventFilter) (page []Event, upTo int64, err error)
	// EventRange is the oldest and the newest place in the log; what was before
	// the oldest has been pruned, and so may some behind it be. When everything
	// was pruned the oldest is the one behind the newest. Both are 0 in a log that
	// never held any.
	EventRange(ctx context.Context) (oldest, newest int64, err error)
	// Held returns the screenshots of held deliveries that came before, each once,
	// those held the longest first, and how many deliveries are held in all.
	Held(ctx context.Context, before time.Time, limit int) (screenshots []string, all int, err error)
	// Delivery returns one delivery of the inbox; ErrNotFound when it is not
	// there, or not any more.
	Delivery(ctx context.Context, seq int64) (KeptDelivery, error)
	// Workers lists workers that were alive at since or later.
	Workers(ctx context.Context, since time.Time) ([]Worker, error)
	// Totals sums up all batches. What it costs grows with the number of
	// batches, of doubts, of held deliveries and of callbacks that are owed or
	// dead, and not with that of jobs.
	Totals(ctx context.Context) (Totals, error)
	// DataVersion changes whenever anything was committed, by any process.
	// Nearly free to ask.
	DataVersion(ctx context.Context) (int64, error)
}

// Row is one row of a batch for its results.
type Row struct {
	Job
	Original *Job // the row that a duplicate repeats
}

// Totals are figures of the whole store.
type Totals struct {
	Batches map[BatchState]int64
	Stopped int64  // paused batches that an error paused
	Counts  Counts // of all batches together
	Doubts  int64  // submissions in doubt now
	Held    int64  // deliveries held now
	Inbox   int64  // the newest delivery's place; 0 without one
	Cursor  int64  // the place up to which deliveries are applied

	Unapplied time.Time // when the oldest delivery behind the cursor came; zero without one

	CallbacksOwed int64
	CallbacksDead int64
	CallbackDue   time.Time // of the owed callback that is due the longest; zero without one
	EventsUntold  int64     // how far the slowest reader of the log is behind
}

// Timings are spans from submission to closure.
type Timings struct {
	Count               int64
	Min, Mean, P50, P95 time.Duration
	Max                 time.Duration
}

// Reason is a group of rows that ended the same way.
type Reason struct {
	State State
	Error string
	Count int64
	First ID  // the first such row
	Line  int // its line in the input; 0 when it has none
}
