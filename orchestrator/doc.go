// Package orchestrator is what happens next: it takes queued jobs through the
// vendor to their end and sees to it that nothing owed is forgotten.
//
// Everything it knows is in the store. Store, vendor, queue and clock come in
// from outside, and so do the ids of batches and workers; each activity is one
// exported or internal step that a loop, an asynq task or a test calls:
//
//	SubmitBatch     leases queued jobs, commits intents, calls the vendor   (submit.go)
//	resolveDoubts   looks up creates without an answer by their tags        (doubt.go)
//	closeOnce       applies the inbox                                       (close.go)
//	CheckDeadlines  asks about overdue jobs, closes or extends them         (deadline.go)
//	pollOnce        asks the vendor about pending jobs in bulk              (poll.go)
//	SummarizeBatch  fills in reasons and costs, computes, stores            (summarize.go)
//	sweepOnce       derives from the store what is owed and enqueues it     (sweep.go)
//
// A step may run twice, late or never, in several processes at once: guarded
// updates in the store decide. The queue only wakes; losing it loses time.
package orchestrator
