// Package simulation runs Shotline in a simulated world with faults, one seed at a
// time, and checks the promises after every move.
//
// The code under test is real: orchestrator, receiver, closer, callbacks, downloads
// into folders, and SQLite on a file. Everything around it is simulated: the vendor
// with its screenshots, outputs and webhooks, the targets of callbacks, the queue, the
// operators at the command line, and time. A scheduler lets one goroutine run at a
// time, from one stop point to the next. The seed decides which goroutine runs and
// which fault comes next. So a seed is one interleaving of several processes, and the
// same seed gives the same trace.
//
// Planted bugs measure how much the simulation finds. TestPlantedBugs (make plant
// for all of them) builds the simulation once for each of these bugs. It asserts that
// the bug breaks one of the named promises within 400 seeds. The first number is the
// seed that broke a promise when it was last measured. It changes if the steps of the
// code or the simulated world change.
//
//	  1  P2      a webhook is answered before its commit
//	  1  P3      a create without a response is sent again at once
//	  9  P3      the settle time is skipped
//	319  P3      the settle time counts from the intent
//	112  P2, P3  a failed look-up counts as an empty one
//	  1  P1      a search by URL adopts any screenshot that it finds
//	  1  P3      the intent is not on disk before its create is sent
//	  5  P3      an expired lease is queued again although its intent is open
//	 31  P3      the lease of another owner is handed back
//	 31  P3, P8  a lost lease is not noticed
//	  1  P8      a refused create leaves its intent open
//	  1  P4      the signature is computed and not compared
//	  1  P1, P2  a result overwrites the final state of its job
//	  5  P1      a late result is not marked as late
//	  1  P6, P8  closures do not change the counters
//	  2  P6      late results are not counted
//	  1  P6      an adopted job stays counted in its old state
//	  1  P6      a cost is added each time it is reported
//	  1  P1      a closure leaves no event
//	  1  P2      an unknown screenshot is foreign at once
//	  1  P2      adoption forgets held deliveries
//	 14  P2      a deadline overtakes the inbox
//	 18  P1, P2  the cursor moves in a separate transaction
//	  1  P1      the grace after a deadline is omitted
//	 22  P1      a row's own timeout is ignored
//	  1  P1      a row with a callback URL is a duplicate of one without
//	  4  P5      a late result raises no revision
//	 60  P5      a summary counts as published before it is stored
//	  1  P6      a batch finishes while a job is pending
//	  1  P8      pending work keeps its generation
//	  1  P8      a lost deadline is not enqueued again
//	  6  P1, P8  a partial import is never removed
//	 34  P1      an import reports success although its batch was not opened
//	  1  P1, P8  an import is visible before it is complete
//	 64  P1      an older attempt's failure fails the newer one
//	  1  P1      a retried job keeps its old screenshot
//	 57  P2, P3  a job is canceled while its create is under way
//	  5  P6      a retry leaves its batch finished
//	  9  P1      the first of two contradictory results is never corrected
//	  3  P1      the later of two contradictory results is applied without a look-up
//	  9  P1, P8  the vendor is not queried about contradictory results
//	 23  P1      the vendor is queried about contradictory results of the newest attempt only
//	 20  P5      a correction raises no revision
//	  9  P6      corrections are not counted
//	  9  P1      a correction leaves the result of its submission
//	  9  P1      a correction is logged as an ordinary end
//	 34  P3, P6  a summarized batch is not audited
//	 13  P6      a charge after the summary raises no revision
//	  2  P3      a canceled job is retried without a look-up
//	  2  P3      a retry forgets the paid screenshot of a canceled job
//	  2  P3      a retry does not wait for a screenshot that is still processing
//	  5  P9      held deliveries are not bounded
//	 31  P2      held deliveries are disowned without a look-up
//	 31  P2      held deliveries of a lost create are disowned, not adopted
//	  3  P1      an amended row keeps its old screenshot
//	  1  P1      an amendment ignores the state and attempt that were compared
//	  3  P6      amended rows are not counted
//	 27  P1      duplicates follow an amended row to another URL
//	  7  P5      an amendment without a queued row raises no revision
//	 34  P5      a reader's cursor moves before its callbacks are stored
//	  1  P5      a callback counts as delivered before it is sent
//	  1  P5      an error pauses a batch without an event
//	  1  P5      each attempt has a different id
//	  1  P5      the signature is not that of the body that is sent
//	  1  P5      a callback of a worker that died is not claimed again
//	  8  P5      a callback that is claimed again keeps its generation
//	  1  P5      the URL of a batch is called for its jobs, too
//	  6  P5      the URL of a row is called only for a batch without one
//	  1  P5      a callback shows a later state of its job
//	 18  P5      a target that answered 410 is called again
//	 12  P5      the Retry-After of a target is ignored
//	  1  P5      a callback is dead after its first failure
//	  8  P5      a sink of failures receives every end of a batch
//	 13  P6      a file is recorded before it is saved
//	  6  P8      a file of a worker that died is not claimed again
//	  6  P8      files that were enqueued once are not enqueued again
//	  3  P8      a task of files that is stuck blocks all later ones
//	 27  P6      a job with another screenshot keeps its old file
//	  9  P6      a file that is not saved stays recorded when its job is no longer done
//	  6  P6      an order does not look at jobs that closed before
//	 21  P6      an order of another folder leaves files in the old one
//	  1  P6      two files take one name
//	  9  P6      names that differ in case only are different names
//	  6  P8      a file fails for ever after one run
//	 19  P8      a file that is not ready counts as gone at once
//	  6  P8      tries of a file are not counted
//	  1  P9      a run repeats calls for a file without a limit
//	 21  P6      a file that is cut off is saved
//	 11  P11     an intent reserves nothing
//	 11  P11     a budget ignores what is reserved
//	 11  P11     a create of unknown cost reserves one credit
//	  1  P11     a withdrawn intent keeps its reservation
//	  3  P11     a refused create keeps its reservation
//	  1  P11     a known cost ends no reservation
//
// The simulation cannot detect a missing fsync, because a simulated crash loses no
// pages. A test of jobs/sqlite counts system calls to check that appends wait for the
// disk.
package simulation
