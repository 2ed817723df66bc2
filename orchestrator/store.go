package orchestrator

import (
	"context"
	"time"

	"shotline/jobs"
	"shotline/jobs/summary"
	"shotline/orchestrator/feed"
)

// Store is the part of a jobs.Store that an Orchestrator needs. It has one
// interface for each kind of work. Package jobs documents the methods.
type Store interface {
	SubmitStore
	DoubtStore
	InboxStore
	PendingStore
	ConflictStore
	AuditStore
	SummaryStore
	SweepStore
	UpkeepStore
	WorkerStore
	feed.Store
	ImportStore
	RetryStore
	AmendStore
	CancelStore
	BudgetStore
}

// SubmitStore is for submitting jobs.
type SubmitStore interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Lease(ctx context.Context, batch, owner string, n int, at, expiry time.Time) ([]jobs.Lease, error)
	OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error)
	Requeue(ctx context.Context, leases []jobs.Lease, at time.Time) (jobs.Effects, error)
	Doubt(ctx context.Context, leases []jobs.Lease, at time.Time) error
	Observe(ctx context.Context, observations []jobs.Observation, by jobs.Provenance, at, deadline time.Time) (jobs.Effects, error)
	CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error)
	Pause(ctx context.Context, batch, reason string, at time.Time) error
	WakeBatch(ctx context.Context, batch string, wake time.Time) (generation int64, err error)
}

// LookupStore is for recording the vendor's answers.
type LookupStore interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Observe(ctx context.Context, observations []jobs.Observation, by jobs.Provenance, at, deadline time.Time) (jobs.Effects, error)
	CountCalls(ctx context.Context, batch string, n int) error
}

// TickStore is for claiming work for one process.
type TickStore interface {
	ClaimTick(ctx context.Context, name string, at, next time.Time) (bool, error)
}

// DoubtStore is for looking up creates without an answer.
type DoubtStore interface {
	LookupStore
	ClaimDoubts(ctx context.Context, at, again time.Time, limit int) ([]jobs.Submission, error)
	RecheckDoubts(ctx context.Context, submissions []jobs.Submission, next time.Time) error
	Resend(ctx context.Context, submissions []jobs.Submission, settledBefore, at time.Time) (jobs.Effects, error)
}

// InboxStore is for keeping deliveries, applying them, and settling held ones.
type InboxStore interface {
	LookupStore
	AppendDelivery(ctx context.Context, d jobs.Delivery) (seq int64, err error)
	ApplyInbox(ctx context.Context, at time.Time, limit int) (jobs.Applied, error)
	Held(ctx context.Context, before time.Time, limit int) (screenshots []string, all int, err error)
	Disown(ctx context.Context, screenshots []string, at time.Time) (int, error)
}

// PendingStore is for polling pending jobs and for keeping their deadlines.
type PendingStore interface {
	LookupStore
	TickStore
	PendingBatches(ctx context.Context, before time.Time) (map[string]int, error)
	Pending(ctx context.Context, batch string, before time.Time, after int64, limit int) ([]jobs.Job, error)
	Overdue(ctx context.Context, at time.Time, limit int, batches ...string) ([]jobs.Job, error)
	ExtendDeadlines(ctx context.Context, ids []jobs.ID, until time.Time) error
	CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error)
}

// ConflictStore is for checking contradictory results.
type ConflictStore interface {
	LookupStore
	ClaimConflicts(ctx context.Context, batch string, at, again time.Time, limit int) ([]jobs.Conflict, error)
	RecheckConflicts(ctx context.Context, rechecks []jobs.ConflictRecheck) error
}

// AuditStore is for finding double charges of finished batches.
type AuditStore interface {
	LookupStore
	TickStore
	LostCreates(ctx context.Context, since time.Time, after jobs.Submission, limit int) ([]jobs.Submission, error)
}

// SummaryStore is for summarizing batches.
type SummaryStore interface {
	summary.Source
	LookupStore
	TickStore
	Unexplained(ctx context.Context, batch string) (costs, reasons int, err error)
	SaveSummary(ctx context.Context, batch string, revision int, counts jobs.Counts, data []byte, at time.Time) (stored bool, err error)
	WakeBatch(ctx context.Context, batch string, wake time.Time) (generation int64, err error)
}

// SweepStore is for finding pending work.
type SweepStore interface {
	TickStore
	ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.Work, error)
	ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error)
	NextDeadline(ctx context.Context) (time.Time, error)
}

// UpkeepStore is for comparing counters with rows and for retention.
type UpkeepStore interface {
	TickStore
	Outstanding(ctx context.Context) (jobs.Outstanding, error)
	Recount(ctx context.Context, batch string, at time.Time) (jobs.Repair, error)
	Prune(ctx context.Context, r jobs.Retention) (jobs.Pruned, error)
}

// WorkerStore is for showing that a worker is alive.
type WorkerStore interface {
	Announce(ctx context.Context, w jobs.Worker) error
	Withdraw(ctx context.Context, id string) error
}
