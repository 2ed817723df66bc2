package jobs

import (
	"context"
	"time"
)

// Closures is the only way to a final state. A result closes a job in these
// cases:
//
//   - The job is pending or submitting, in the attempt that produced the result.
//   - The job timed out in that attempt. It becomes done or failed, recorded as
//     late.
//   - The job failed in that attempt because the vendor refused its create, but
//     an earlier create of the attempt took effect after all. The job becomes
//     done, recorded as late.
//   - The job is canceled and is being retried; see Retry.
//   - The result is done and belongs to an older attempt, and the newest attempt
//     ended failed or timed_out, or ends so later. The job becomes done, recorded
//     as late. If several older attempts produced an image before that, the
//     newest one counts.
//   - The vendor settled a conflict against the recorded result; see below. This
//     is a correction.
//
// The result of a double charge's screenshot is recorded but closes nothing: the
// wanted screenshot decides.
//
// Each closure writes one event. A late closure writes only job.late, a
// correction only job.corrected. A done job has no error. Only a retry reopens a
// canceled job. Counters, events and the end of the batch are written in the same
// transaction.
//
// Any other result for a job that has ended is a repeat, or a conflict if it
// contradicts the recorded result of the same screenshot. Conflicts are counted.
// The first result stands, and the vendor has to be queried about the screenshot
// (see ClaimConflicts), unless it is a double charge.
//
// A final result that Observe brings with provenance poll is the vendor's
// verdict. It settles the open conflict of its screenshot and is not counted as
// another conflict. If it contradicts a recorded result that had no conflict, it
// counts as a conflict and settles it. If one call brings several verdicts, the
// last one counts. If the verdict confirms the recorded result, the job does not
// change. Otherwise the verdict becomes the screenshot's result and corrects the
// job in the same transaction, with provenance poll unless stated otherwise:
//
//   - A job that is failed or timed_out becomes done with this image. It is late
//     if the image belongs to an older attempt or if the job's end was late.
//   - A job that is done with this image becomes done, late, with the newest
//     image of another attempt and with that result's provenance. If there is no
//     such image, it becomes failed. If the refuted image belonged to an older
//     attempt, the job ends as its newest attempt did, with that provenance:
//     failed, or timed_out if that attempt has no result yet.
//   - A job in any other state (open, canceled, done with another image) does not
//     change. The result still counts as the result of an older attempt would.
//
// A correction of a finished batch makes a new revision. The job stays Corrected
// until a retry. A conflict is settled once. Results that contradict the verdict
// later are only counted, so that a job cannot change back and forth forever. A
// retry does not end a conflict.
type Closures interface {
	// CloseJobs closes jobs without a result from the vendor. It first applies the
	// whole inbox in the same transaction, so that a deadline never overrides a
	// webhook that was acknowledged.
	CloseJobs(ctx context.Context, closings []Closing, at time.Time) (Effects, error)
	// Cancel ends jobs on request, with provenance cancel. It first applies the
	// inbox in the same transaction. Queued and pending jobs are canceled at once,
	// and so are submitting jobs for which nothing was sent. A job with an open
	// intent or in doubt is only marked (Canceling counts it): the transaction that
	// settles its create cancels it, unless that brings a result. Jobs that have
	// ended and rows that are not jobs are skipped. If the batch of any of the jobs
	// is importing, it changes nothing and returns ErrState.
	Cancel(ctx context.Context, ids []ID, at time.Time) (Effects, error)
	// Retry queues ended jobs again, each as its next attempt. It first applies the
	// inbox in the same transaction. The job loses the values of its last attempt:
	// screenshot, image, error, times, closure, and the late and corrected marks.
	// Costs, double charges, conflicts and the submissions of older attempts stay.
	// A finished batch opens again with its work due at once, and gets its next
	// revision when it finishes. Each job gets the event job.retried. A job is
	// skipped if its guards do not hold. ErrInvalid is returned if a From is not
	// Retriable.
	//
	// A canceled job does not pay twice. If a screenshot of any of its attempts is
	// known to be done, the job becomes done, recorded as late; of several
	// screenshots the newest counts. If its screenshot has no result yet and the
	// retry Waits, the job is pending again in the same attempt, with the deadline
	// that it had.
	Retry(ctx context.Context, retries []Retry, at time.Time) (Effects, error)
	// Amend gives ended rows of a batch corrected requests. It first applies the
	// inbox in the same transaction. A row is skipped if its guards do not hold. The
	// row keeps its Line, and also its callback URL if the request has none. Requests
	// are the same as Request.SameAs compares them.
	//
	// If the request of a failed, timed out or canceled job is the same, the job is
	// retried as by Retry. If that queues it or lets it wait, it also gets the other
	// fields of the request. A done job and a duplicate with the same request, and a
	// rejected row with the same URL and reason, are skipped.
	//
	// Otherwise the row gets the whole request and loses the values of its last
	// attempt, as by a retry. Results of its older attempts are recorded but close
	// nothing, because they belong to another request. The first of these cases
	// applies:
	//
	//   - A request with Reject set makes it a rejected row. The row must have been
	//     rejected or a duplicate.
	//   - If the request is that of another job of the batch, the row becomes a
	//     duplicate of that job.
	//   - The row becomes a queued job.
	//
	// If the row was a job or becomes one, this is its next attempt. Each amended row
	// gets the event job.amended with its state.
	//
	// Duplicates of an amended row keep their own request. So the first of them
	// that is not amended by the same call becomes a queued job, with the event
	// job.amended, and the others become its duplicates.
	//
	// A finished batch opens again if a row is queued. If rows were amended and none
	// is queued, it gets its next revision.
	//
	// It returns ErrNotFound if there is no such batch, and ErrState if it is
	// importing. It changes nothing and returns ErrInvalid if a job belongs to
	// another batch, if a From is not Amendable, if a request with Reject set is for
	// a row that is a job, or if a request has a priority and the rows of the batch
	// have none.
	Amend(ctx context.Context, batch string, amendments []Amendment, at time.Time) (Effects, error)
	// ClaimConflicts returns up to limit conflicts whose check is due by at, the
	// longest due first, and sets their next check to again. It returns at most one
	// conflict per job at a time. An empty batch means all batches. A new conflict
	// is due at once. The caller queries the vendor and passes the response to
	// Observe.
	ClaimConflicts(ctx context.Context, batch string, at, again time.Time, limit int) ([]Conflict, error)
	// RecheckConflicts records that the vendor had no result and sets the next
	// check of conflicts that are still open. A conflict without a next check is
	// not checked again: the first result stands until a verdict arrives after all
	// or a further contradiction opens the conflict again. It returns ErrInvalid if
	// a Says is a result.
	RecheckConflicts(ctx context.Context, rechecks []ConflictRecheck) error
	// ExtendDeadlines sets the deadline of pending jobs. Jobs that closed in the
	// meantime are skipped.
	ExtendDeadlines(ctx context.Context, ids []ID, deadline time.Time) error
	// Pause stops the submission of an open batch. A non-empty reason says that an
	// error caused the pause. In that case the same transaction records the event
	// batch.paused, unless an error had already paused the batch. Pausing a paused
	// batch replaces the reason. It returns ErrState if the batch is importing or
	// finished.
	Pause(ctx context.Context, batch, reason string, at time.Time) error
	// Resume opens a paused batch. It returns nil if the batch is open, and
	// ErrState if it is in any other state.
	Resume(ctx context.Context, batch string, at time.Time) error
}
