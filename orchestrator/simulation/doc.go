// Package simulation plays Shotline against a world that goes wrong, seed by
// seed, and checks its promises after every move.
//
// What is ours is real: orchestrator, receiver, closer, callbacks, and SQLite on a
// file. What is not is simulated: the vendor with its books and webhooks, the
// programs that are called back, the queue, the people at the command line, and
// time. One scheduler lets one goroutine go on at a time, from seam to seam; which
// one, and what goes wrong next, the seed decides. So a seed is one interleaving of
// several processes, and the same seed gives the same trace.
//
// What it is worth is measured by planting bugs: TestPlantedBugs (make plant
// for all of them) builds the simulation once for each of these mistakes, and
// asserts that it breaks one of the promises named within 200 seeds. The numbers
// are the seeds that did when last measured; any change of the code's steps or of
// the world moves them.
//
//	  1  P2      a webhook is answered before its commit
//	  2  P3      a create without an answer is sent again at once
//	  2  P3      the settle time is not waited for
//	 69  P3      the settle time counts from the intent
//	  5  P2, P3  a look-up that failed counts as one that found nothing
//	  1  P1      a search by URL adopts whatever it finds
//	  1  P3      the intent is not on disk before its create is sent
//	 11  P3      an ended lease is queued again although its intent is open
//	 40  P3      the lease of another is handed back
//	 40  P3, P8  a lost lease is not noticed
//	  2  P8      a refused create leaves its intent open
//	  1  P4      the signature is computed and not compared
//	  1  P1, P2  a result overwrites the end of its job
//	  4  P1      a late result is not told to be late
//	  1  P6, P8  closures leave the counters alone
//	  4  P6      late results are not counted
//	  1  P6      an adopted job stays counted where it was
//	  1  P6      a cost is added each time it is told
//	  1  P1      a closure leaves no event
//	  4  P2      an unknown screenshot is foreign at once
//	  8  P2      adoption forgets what was held
//	  9  P2      a deadline overtakes the inbox
//	 24  P1, P2  the cursor moves in a transaction of its own
//	  1  P1      the grace after a deadline is not given
//	 24  P1      a row's own timeout is not heeded
//	  8  P1      a row that is to be told counts as equal to one that is not
//	  4  P5      a late result raises no revision
//	  6  P5      a summary counts as told before it is stored
//	  1  P6      a batch finishes while a job is pending
//	  1  P8      owed work keeps its generation
//	 94  P8      a lost deadline is not enqueued again
//	  5  P1, P8  a half import is never removed
//	 63  P1      an import is told to be done although it was not opened
//	  2  P1, P8  an import is visible before it is complete
//	146  P1      an older attempt's failure fails the newer one
//	 10  P1      a retried job keeps its old screenshot
//	  5  P2, P3  a job is canceled while its create is under way
//	  1  P6      a retry leaves its batch finished
//	 20  P1      the first of two contradictory results stands for ever
//	  2  P1      the later of two contradictory results is believed
//	 10  P1, P8  the vendor is not asked about contradictory results
//	 14  P1      the vendor is asked about contradictory results of the newest attempt alone
//	 20  P5      a correction raises no revision
//	  9  P6      corrections are not counted
//	  9  P1      a correction leaves the result of its submission
//	  9  P1      a correction is told as an ordinary end
//	 19  P3, P6  a batch that was summed up is not audited
//	  3  P6      a charge after the summary raises no revision
//	  1  P3      a canceled job is retried without asking
//	 15  P3      a retry forgets what a canceled job has paid for
//	  1  P3      a retry does not wait for a screenshot that is on its way
//	  4  P9      held deliveries are not bounded
//	 73  P2      what is held is disowned without asking
//	 44  P2      held deliveries of a lost create are disowned, not adopted
//	 28  P5      a reader's cursor moves before its callbacks are kept
//	  5  P5      a callback counts as delivered before it is sent
//	 17  P5      an error pauses a batch without an event
//	  1  P5      each attempt draws an id of its own
//	  1  P5      the signature is not that of what is sent
//	  9  P5      a callback of a worker that died is not claimed again
//	 18  P5      a callback that is claimed again keeps its generation
//	  1  P5      the URL of a batch is called for its jobs, too
//	  8  P5      the URL of a row is called only for a batch without one
//	  9  P5      a callback shows what its job became later
//	  9  P5      a target that wants no more is called again
//	 15  P5      what a target asks for is not waited for
//	  1  P5      the first failure is the last
//	  8  P5      a sink of failures hears of every end of a batch
//
// It cannot show a missing fsync: a simulated crash loses no pages. That appends
// wait for the disk is counted in system calls by a test of jobs/sqlite.
package simulation
