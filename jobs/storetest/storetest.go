// Package storetest is the one suite that any jobs.Store must pass.
//
// A store's own test opens its storage and hands it over:
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
// The suite reads the contract in package jobs and nothing else. Every test
// gets storage of its own. After each change the suite asks the invariants
// that hold at all times (see check.go): counters equal a count over the rows,
// every closure and every retry has its one event, a batch is finished exactly
// when nothing in it is open. The clock is the test's; nothing sleeps
// except to show that there is no news.
package storetest

import (
	"testing"

	"shotline/jobs"
)

// MaxHeld is the bound of held deliveries with which a harness opens its stores.
const MaxHeld = 6000

// Harness is one piece of storage. The first Open makes a store on it, each
// further one opens the same storage as a second process would. The suite
// closes what it opened.
type Harness interface {
	Open(t *testing.T) jobs.Store
}

// test is one behaviour, shown on fresh storage.
type test struct {
	name string
	run  func(b *book)
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
	{"held", heldTests},
	{"close", closeTests},
	{"transitions", transitionTests()},
	{"deadlines", deadlineTests},
	{"cancel", cancelTests},
	{"retry", retryTests},
	{"paid", paidTests},
	{"conflicts", conflictTests},
	{"corrections", correctionTests},
	{"batches", batchTests},
	{"work", workTests},
	{"summaries", summaryTests},
	{"rows", rowTests},
	{"search", searchTests},
	{"events", eventTests},
	{"foreign", foreignTests},
	{"readers", readerTests},
	{"callbacks", callbackTests},
	{"replays", replayTests},
	{"totals", totalTests},
	{"workers", workerTests},
	{"news", newsTests},
	{"recount", recountTests},
	{"retention", retentionTests},
	{"storage", storageTests},
	{"races", raceTests},
	{"callback races", callbackRaceTests},
	{"walk", walkTests},
}

// Run runs the suite. newHarness is called once for every test.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, group := range groups {
		t.Run(group.noun, func(t *testing.T) {
			t.Parallel()
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(newBook(t, newHarness(t)))
				})
			}
		})
	}
}
