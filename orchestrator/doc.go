// Package orchestrator brings queued jobs to their end at the vendor, and makes sure
// that no work is forgotten.
//
// Its whole state is in the store. Store, vendor, queue and clock come from outside,
// and so do the ids of batches and workers. Each activity is one step, which a loop,
// an asynq task, a simulation or a test calls:
//
//	SubmitBatch     leases queued jobs, commits intents, calls the vendor   (submit.go)
//	resolveDoubts   looks up creates without an answer by their tags        (doubt.go)
//	CloseOnce       applies the inbox                                       (close.go)
//	CheckDeadlines  queries overdue jobs, closes or extends them            (deadline.go)
//	PollOnce        queries pending jobs in bulk                            (poll.go)
//	SummarizeBatch  fills in reasons and costs, computes, stores            (summarize.go)
//	checkConflicts  queries which of two contradictory results is true      (conflict.go)
//	WatchOnce       enqueues the work of batches                            (sweep.go)
//	SweepOnce       finds all pending work in the store                     (sweep.go)
//	Reconcile       does all pending work that can be done now              (reconcile.go)
//	RecountOnce     compares counters with rows                             (upkeep.go)
//	PruneOnce       removes data after its retention                        (upkeep.go)
//
// Import, CancelBatch and RetryBatch are for people: they need the store and no
// running orchestrator. So does package feed, which notifies callers that wait for
// jobs, batches and events.
//
// A step may run twice, late or never, in several processes at once: guarded
// updates in the store decide. The queue only wakes; losing it loses time.
package orchestrator
