// Package jobs is what a job is and where it is kept: the domain types of
// Shotline and the contract of the store that remembers them.
//
// A request (a URL, vendor parameters, metadata) becomes a job. Jobs that came
// in together form a batch. A job is brought to its end by submissions, one
// paid /screenshot/create per attempt:
//
//	            lease              create answered            webhook or poll
//	 queued ───────────► submitting ──────────► pending ───────────────────► done | failed
//	   │ ▲                 │  │  │                 │
//	   │ └─ 429, or surely ┘  │  │ refused         │ deadline passed and the
//	   │    never sent        │  ▼                 ▼ vendor has no result
//	   ▼                      │ failed          timed_out ──► done | failed (late, once)
//	canceled                  │
//	                          ▼
//	                       in doubt: looked up by tag, then adopted (pending) or sent anew
//
// The life of a job, step by step:
//
//  1. Import writes rows into a batch that is importing. A row that cannot
//     become a job is kept as rejected, a row equal to an earlier one as
//     duplicate. When the file has ended the batch is opened.
//  2. A submitter leases queued jobs (queued → submitting, no money yet).
//  3. Right before each create it commits an intent: from here on the attempt
//     may have cost money, and only the vendor can tell whether it did.
//  4. The answer is recorded as an observation: the screenshot's id and the
//     job's deadline (submitting → pending). Deliveries that came too early
//     were held and are applied in the same transaction.
//  5. A signed webhook is appended to the inbox and applied a moment later by
//     the closer. Polling and deadlines close by the same guarded update.
//  6. When a batch's last open job has closed, its summary is owed.
//
// Somebody may cancel a job that has not ended: at once, or, when its create may
// have been sent, as soon as that is settled. Somebody may retry a job that
// ended without a picture: it is queued as its next attempt, with a submission
// of its own, and its batch is open again. A canceled job that has paid for a
// screenshot does not pay again: it is done, late, if its picture is known, and
// pending again if the vendor is still working on it.
//
// Nothing in this package knows about SQL, HTTP or queues; it imports the
// standard library only. Package sqlite keeps the contract in SQLite and
// package storetest is the suite that any store must pass.
package jobs
