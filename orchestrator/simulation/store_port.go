package simulation

import (
	"context"
	"time"

	"shotline/jobs"
)

// port is the store of a process, with the stops at which the process might die.
type port struct {
	jobs.Store
	stops *stops
	w     *world
}

// storePort is a port that stops before each write, after it, and before each read
// whose result might be out of date when it is used.
type storePort struct {
	callbackPort
}

// write stops before a write. The function that it returns stops after the write.
func (s port) write(ctx context.Context, format string, args ...any) func() {
	s.stops.at(ctx, "store: "+format, args...)
	return func() { s.stops.at(ctx, "kept: "+format, args...) }
}

// read stops before a read.
func (s port) read(ctx context.Context, format string, args ...any) {
	s.stops.at(ctx, "read: "+format, args...)
}

func (s storePort) CreateBatch(ctx context.Context, spec jobs.BatchSpec, at time.Time) error {
	defer s.write(ctx, "create batch %s", spec.ID)()
	return s.Store.CreateBatch(ctx, spec, at)
}

func (s storePort) AppendRequests(ctx context.Context, batch string, requests []jobs.Request, at time.Time) error {
	defer s.write(ctx, "append to %s", batch)()
	return s.Store.AppendRequests(ctx, batch, requests, at)
}

func (s storePort) CompareRows(ctx context.Context, batch string, since time.Time) (*jobs.SameRowsError, error) {
	defer s.write(ctx, "compare rows of %s", batch)()
	return s.Store.CompareRows(ctx, batch, since)
}

func (s storePort) OpenBatch(ctx context.Context, batch string, at time.Time) (jobs.Batch, error) {
	defer s.write(ctx, "open batch %s", batch)()
	return s.Store.OpenBatch(ctx, batch, at)
}

func (s storePort) RemoveImport(ctx context.Context, batch string) error {
	defer s.write(ctx, "remove import %s", batch)()
	return s.Store.RemoveImport(ctx, batch)
}

func (s storePort) AddRefusals(ctx context.Context, refusals []jobs.Refusal) error {
	defer s.write(ctx, "%d refusals", len(refusals))()
	return s.Store.AddRefusals(ctx, refusals)
}

func (s storePort) Lease(ctx context.Context, batch, owner string, n int, at, expiry time.Time) ([]jobs.Lease, error) {
	defer s.write(ctx, "lease of %s", batch)()
	return s.Store.Lease(ctx, batch, owner, n, at, expiry)
}

func (s storePort) OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error) {
	defer s.write(ctx, "intent of %s", lease.Job.ID)()
	return s.Store.OpenIntent(ctx, lease, at, expiry)
}

func (s storePort) Requeue(ctx context.Context, leases []jobs.Lease, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "requeue %s", names(leases))()
	return s.Store.Requeue(ctx, leases, at)
}

func (s storePort) Doubt(ctx context.Context, leases []jobs.Lease, at time.Time) error {
	defer s.write(ctx, "doubt %s", names(leases))()
	return s.Store.Doubt(ctx, leases, at)
}

func (s storePort) ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error) {
	defer s.write(ctx, "expire leases")()
	return s.Store.ExpireLeases(ctx, at, limit)
}

func (s storePort) ClaimDoubts(ctx context.Context, at, again time.Time, limit int) ([]jobs.Submission, error) {
	defer s.write(ctx, "claim doubts")()
	return s.Store.ClaimDoubts(ctx, at, again, limit)
}

func (s storePort) RecheckDoubts(ctx context.Context, submissions []jobs.Submission, next time.Time) error {
	defer s.write(ctx, "recheck %d doubts", len(submissions))()
	return s.Store.RecheckDoubts(ctx, submissions, next)
}

func (s storePort) Resend(ctx context.Context, submissions []jobs.Submission, settledBefore, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "resend %d", len(submissions))()
	return s.Store.Resend(ctx, submissions, settledBefore, at)
}

func (s storePort) Observe(ctx context.Context, observations []jobs.Observation, by jobs.Provenance, at, deadline time.Time) (jobs.Effects, error) {
	subject := ""
	if len(observations) > 0 {
		subject = observations[0].Job.String()
	}
	defer s.write(ctx, "observe %d by %s, %s", len(observations), by, subject)()
	return s.Store.Observe(ctx, observations, by, at, deadline)
}

func (s storePort) CountCalls(ctx context.Context, batch string, n int) error {
	defer s.write(ctx, "count calls of %s", batch)()
	return s.Store.CountCalls(ctx, batch, n)
}

func (s storePort) AppendDelivery(ctx context.Context, d jobs.Delivery) (int64, error) {
	defer s.write(ctx, "append delivery of %s", d.ScreenshotID)()
	return s.Store.AppendDelivery(ctx, d)
}

func (s storePort) ApplyInbox(ctx context.Context, at time.Time, limit int) (jobs.Applied, error) {
	defer s.write(ctx, "apply inbox")()
	return s.Store.ApplyInbox(ctx, at, limit)
}

func (s storePort) Disown(ctx context.Context, screenshots []string, at time.Time) (int, error) {
	defer s.write(ctx, "disown %d", len(screenshots))()
	s.w.checker.checkDisown(screenshots)
	return s.Store.Disown(ctx, screenshots, at)
}

func (s storePort) CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "close %s", closings[0].Job)()
	return s.Store.CloseJobs(ctx, closings, at)
}

func (s storePort) Cancel(ctx context.Context, ids []jobs.ID, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "cancel %d, %s", len(ids), ids[0])()
	return s.Store.Cancel(ctx, ids, at)
}

func (s storePort) Retry(ctx context.Context, retries []jobs.Retry, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "retry %d, %s", len(retries), retries[0].Job)()
	return s.Store.Retry(ctx, retries, at)
}

func (s storePort) Amend(ctx context.Context, batch string, amendments []jobs.Amendment, at time.Time) (jobs.Effects, error) {
	defer s.write(ctx, "amend %d, %s", len(amendments), amendments[0].Job)()
	return s.Store.Amend(ctx, batch, amendments, at)
}

func (s storePort) ClaimConflicts(ctx context.Context, batch string, at, again time.Time, limit int) ([]jobs.Conflict, error) {
	defer s.write(ctx, "claim conflicts")()
	return s.Store.ClaimConflicts(ctx, batch, at, again, limit)
}

func (s storePort) RecheckConflicts(ctx context.Context, rechecks []jobs.ConflictRecheck) error {
	defer s.write(ctx, "check %d conflicts again", len(rechecks))()
	return s.Store.RecheckConflicts(ctx, rechecks)
}

// Recount also fails if counters were wrong, because only a bug makes them so.
func (s storePort) Recount(ctx context.Context, batch string, at time.Time) (jobs.Repair, error) {
	defer s.write(ctx, "recount %s", batch)()
	repair, err := s.Store.Recount(ctx, batch, at)
	if len(repair.Wrong) > 0 {
		s.w.fail("P6", "the counters of batch %s were wrong: %v", batch, repair.Wrong)
	}
	return repair, err
}

func (s storePort) ExtendDeadlines(ctx context.Context, ids []jobs.ID, deadline time.Time) error {
	defer s.write(ctx, "extend %d deadlines", len(ids))()
	return s.Store.ExtendDeadlines(ctx, ids, deadline)
}

func (s storePort) Pause(ctx context.Context, batch, reason string, at time.Time) error {
	defer s.write(ctx, "pause %s", batch)()
	return s.Store.Pause(ctx, batch, reason, at)
}

func (s storePort) SetBudget(ctx context.Context, batch string, credits *float64) error {
	defer s.write(ctx, "budget of %s", batch)()
	return s.Store.SetBudget(ctx, batch, credits)
}

func (s storePort) SetDailyBudget(ctx context.Context, credits *float64, at time.Time) error {
	defer s.write(ctx, "daily budget")()
	return s.Store.SetDailyBudget(ctx, credits, at)
}

func (s storePort) ResumeDue(ctx context.Context, at time.Time) ([]string, error) {
	defer s.write(ctx, "resume what is due")()
	return s.Store.ResumeDue(ctx, at)
}

func (s storePort) Resume(ctx context.Context, batch string, at time.Time) error {
	defer s.write(ctx, "resume %s", batch)()
	return s.Store.Resume(ctx, batch, at)
}

func (s storePort) ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.Work, error) {
	defer s.write(ctx, "claim work")()
	return s.Store.ClaimWork(ctx, at, again, limit, batches...)
}

func (s storePort) WakeBatch(ctx context.Context, batch string, wake time.Time) (int64, error) {
	defer s.write(ctx, "wake %s", batch)()
	return s.Store.WakeBatch(ctx, batch, wake)
}

func (s storePort) SaveSummary(ctx context.Context, batch string, revision int, counts jobs.Counts, data []byte, at time.Time) (bool, error) {
	defer s.write(ctx, "save summary %d of %s", revision, batch)()
	return s.Store.SaveSummary(ctx, batch, revision, counts, data, at)
}

func (s storePort) ClaimTick(ctx context.Context, name string, at, next time.Time) (bool, error) {
	defer s.write(ctx, "claim tick %s", name)()
	return s.Store.ClaimTick(ctx, name, at, next)
}

func (s storePort) Prune(ctx context.Context, r jobs.Retention) (jobs.Pruned, error) {
	defer s.write(ctx, "prune")()
	return s.Store.Prune(ctx, r)
}

func (s storePort) Identity(ctx context.Context) (string, error) {
	defer s.write(ctx, "identity")()
	return s.Store.Identity(ctx)
}

func (s storePort) Announce(ctx context.Context, w jobs.Worker) error {
	defer s.write(ctx, "announce %s", w.ID)()
	return s.Store.Announce(ctx, w)
}

func (s storePort) Withdraw(ctx context.Context, id string) error {
	defer s.write(ctx, "withdraw %s", id)()
	return s.Store.Withdraw(ctx, id)
}

func (s storePort) AddJob(ctx context.Context, spec jobs.BatchSpec, r jobs.Request, at time.Time) (jobs.Job, error) {
	defer s.write(ctx, "add job %s", spec.ID)()
	return s.Store.AddJob(ctx, spec, r, at)
}

func (s storePort) Batch(ctx context.Context, id string) (jobs.Batch, error) {
	s.read(ctx, "batch %s", id)
	return s.Store.Batch(ctx, id)
}

func (s storePort) Job(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	s.read(ctx, "job %s", id)
	return s.Store.Job(ctx, id)
}

func (s storePort) Overdue(ctx context.Context, at time.Time, limit int, batches ...string) ([]jobs.Job, error) {
	s.read(ctx, "overdue")
	return s.Store.Overdue(ctx, at, limit, batches...)
}

func (s storePort) PendingBatches(ctx context.Context, before time.Time) (map[string]int, error) {
	s.read(ctx, "pending batches")
	return s.Store.PendingBatches(ctx, before)
}

func (s storePort) Jobs(ctx context.Context, f jobs.JobFilter) ([]jobs.Job, error) {
	s.read(ctx, "jobs of %s", f.Batch)
	return s.Store.Jobs(ctx, f)
}

func (s storePort) Pending(ctx context.Context, batch string, before time.Time, after int64, limit int) ([]jobs.Job, error) {
	s.read(ctx, "pending of %s", batch)
	return s.Store.Pending(ctx, batch, before, after, limit)
}

func (s storePort) LostCreates(ctx context.Context, since time.Time, after jobs.Submission, limit int) ([]jobs.Submission, error) {
	s.read(ctx, "lost creates")
	return s.Store.LostCreates(ctx, since, after, limit)
}

func (s storePort) Unexplained(ctx context.Context, batch string) (costs, reasons int, err error) {
	s.read(ctx, "unexplained of %s", batch)
	return s.Store.Unexplained(ctx, batch)
}

func names(leases []jobs.Lease) string {
	if len(leases) == 0 {
		return "nothing"
	}
	return leases[0].Job.ID.String()
}
