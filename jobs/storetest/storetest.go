// Package storetest is the test suite that every jobs.Store must pass.
//
// A store's test passes a harness that opens its storage:
//
//	type files struct{ path string }
//
//	func (f files) Open(t *testing.T) jobs.Store { ... open f.path ... }
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			return files{filepath.Join(t.TempDir(), "test.db")}
//		})
//	}
//
// The suite relies only on the contract in package jobs. Every test has its own
// storage. After each change the suite checks the invariants that hold at all
// times (see check.go): the counters equal a count over the rows, every closure
// and every retry has one event, and a batch is finished if and only if none of
// its jobs is open. The test sets the clock. No test sleeps, except to show that
// there is no news.
package storetest

import (
	"testing"

	"shotline/jobs"
)

// MaxHeld is the limit of held deliveries with which a harness must open its
// stores.
const MaxHeld = 2500

// Harness is one piece of storage. The first Open makes a store on it. Each
// further Open opens the same storage, as a second process would. The suite
// closes all stores.
type Harness interface {
	Open(t *testing.T) jobs.Store
}

// test tests one behavior on new storage.
type test struct {
	name string
	run  func(f *fixture)
}

var groups = []struct {
	noun  string
	tests []test
}{
	{"imports", importTests},
	{"singles", singleTests},
	{"options", optionTests},
	{"keys", keyTests},
	{"ledger", ledgerTests},
	{"doubts", doubtTests},
	{"observe", observeTests},
	{"audit", auditTests},
	{"inbox", inboxTests},
	{"refusals", refusalTests},
	{"held", heldTests},
	{"close", closeTests},
	{"transitions", transitionTests()},
	{"deadlines", deadlineTests},
	{"cancel", cancelTests},
	{"retry", retryTests},
	{"paid", paidTests},
	{"budget", budgetTests},
	{"same rows", sameRowsTests},
	{"amend", amendTests},
	{"conflicts", conflictTests},
	{"corrections", correctionTests},
	{"batches", batchTests},
	{"work", workTests},
	{"summaries", summaryTests},
	{"rows", rowTests},
	{"search", searchTests},
	{"events", eventTests},
	{"history", historyTests},
	{"foreign", foreignTests},
	{"readers", readerTests},
	{"callbacks", callbackTests},
	{"replays", replayTests},
	{"totals", totalTests},
	{"workers", workerTests},
	{"news", newsTests},
	{"recount", recountTests},
	{"retention", retentionTests},
	{"downloads", downloadTests},
	{"file work", fileWorkTests},
	{"record files", recordFileTests},
	{"storage", storageTests},
	{"races", raceTests},
	{"callback races", callbackRaceTests},
	{"walk", walkTests},
}

// Run runs the suite. It calls newHarness once for every test.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, group := range groups {
		t.Run(group.noun, func(t *testing.T) {
			t.Parallel()
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(newFixture(t, newHarness(t)))
				})
			}
		})
	}
}
