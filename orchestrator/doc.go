// Package orchestrator is what happens next: it takes queued jobs through the
// vendor to their end and sees to it that nothing owed is forgotten.
//
// Everything it knows is in the store. Store, vendor, queue and clock come in
// from outside, and so do the ids of batches and workers; each activity is one
// step that a loop, an asynq task, a simulation or a test calls:
//
//	SubmitBatch     leases queued jobs, commits intents, calls the vendor   (submit.go)
//	resolveDoubts   looks up creates without an answer by their tags        (doubt.go)
//	CloseOnce       applies the inbox                                       (close.go)
//	CheckDeadlines  asks about overdue jobs, closes or extends them         (deadline.go)
//	PollOnce        asks the vendor about pending jobs in bulk              (poll.go)
//	SummarizeBatch  fills in reasons and costs, computes, stores            (summarize.go)
//	checkConflicts  asks which of two contradictory results is true         (conflict.go)
//	WatchOnce       enqueues what batches owe                               (sweep.go)
//	SweepOnce       derives from the store all that is owed                 (sweep.go)
//	Reconcile       does all that is owed and can be done now               (reconcile.go)
//	RecountOnce     compares counters with rows                             (upkeep.go)
//	PruneOnce       removes what has been kept long enough                  (upkeep.go)
//
// Import, CancelBatch and RetryBatch are for people: they need the store and no
// orchestrator that runs. So does package feed, which notifies those who wait for
// jobs, batches and events.
//
// A step may run twice, late or never, in several processes at once: guarded
// updates in the store decide. The queue only wakes; losing it loses time.
package orchestrator
