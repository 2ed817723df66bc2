// Package jobs defines the domain types of Shotline and the contract of the store
// that keeps them.
//
// A request (a URL, vendor parameters, metadata) becomes a job. Jobs that came in
// together form a batch. Submissions bring a job to its end. Each attempt is one
// submission with one paid /screenshot/create:
//
//	            lease              create answered            webhook or poll
//	 queued ───────────► submitting ──────────► pending ───────────────────► done | failed
//	   │ ▲                 │  │  │                 │
//	   │ └─ 429, or not ───┘  │  │ refused         │ deadline passed and the
//	   │    sent              │  ▼                 ▼ vendor has no result
//	   ▼                      │ failed          timed_out ──► done | failed (late, once)
//	canceled                  │
//	                          ▼
//	                       in doubt: looked up by tag, then adopted (pending) or sent again
//
// The life of a job, step by step:
//
//  1. Import writes rows into a batch that is importing. A row that cannot
//     become a job is kept as rejected. A row that equals an earlier one is kept
//     as a duplicate. At the end of the file the batch is opened.
//  2. A submitter leases queued jobs (queued → submitting). This costs nothing.
//  3. Right before each create it commits an intent. From here on the attempt
//     might have cost money, and only the vendor knows whether it did.
//  4. The response is recorded as an observation: the screenshot's id and the
//     job's deadline (submitting → pending). Deliveries that arrived too early
//     were held and are applied in the same transaction.
//  5. A signed webhook is appended to the inbox. The closer applies it a moment
//     later. Polling and deadlines close jobs by the same guarded update.
//  6. When the last open job of a batch has closed, its summary is due.
//
// A job that has not ended can be canceled. If its create might have been sent,
// the cancellation waits until the create is settled. A job that ended without an
// image can be retried: it is queued as its next attempt, with a new submission,
// and its batch opens again. A canceled job that already paid for a screenshot
// does not pay again: it becomes done, late, if its image is known, and pending
// again if the vendor is still working on it.
//
// This package knows nothing of SQL, HTTP, JSON forms or queues and imports only
// the standard library. Package jobjson writes its types in JSON. Package sqlite
// implements the contract. Package storetest is the suite that every store must
// pass.
package jobs
