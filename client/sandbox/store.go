package sandbox

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// store holds the state of the sandbox: screenshots, credits and counters. Its
// methods are safe for concurrent use, except those that require the lock. They
// never block for long.
type store struct {
	max int              // maximum number of screenshots
	now func() time.Time // set before the store is used

	mu        sync.Mutex
	first     int64 // id of shots[0]; ids are consecutive
	shots     []*screenshot
	byTag     map[string][]*screenshot // ids ascend, as in shots
	forgotten int
	balance   float64
	spent     float64
	calls     map[string]int64
	errors    map[string]int64

	fired    map[string]int64 // by fault name
	faults   recent[LedgerFault]
	refusals recent[LedgerRefusal]
}

func newStore(max int, firstID int64, balance float64) *store {
	return &store{
		max:     max,
		first:   firstID,
		byTag:   make(map[string][]*screenshot),
		balance: balance,
		calls:   make(map[string]int64),
		errors:  make(map[string]int64),
		fired:   make(map[string]int64),

		faults:   recent[LedgerFault]{max: max},
		refusals: recent[LedgerRefusal]{max: max},
	}
}

// open charges an order and stores its screenshot with the status processing. If
// it returns errCredits or errFull, nothing is charged.
func (st *store) open(o order) (*screenshot, object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.balance < o.cost {
		return nil, object{}, errCredits
	}
	if len(st.shots) >= st.max && !st.forgetOldest() {
		return nil, object{}, errFull
	}
	st.balance -= o.cost
	st.spent += o.cost
	shot := &screenshot{webhookSource: webhookSource{id: st.first + int64(len(st.shots))}, order: o, status: statusProcessing}
	st.shots = append(st.shots, shot)
	for _, tag := range o.tags {
		st.byTag[tag] = append(st.byTag[tag], shot)
	}
	return shot, shot.object(), nil
}

// forgetOldest removes the oldest screenshot to make room. It returns false if
// that screenshot is not settled.
func (st *store) forgetOldest() bool {
	oldest := st.shots[0]
	if !oldest.settled() {
		return false
	}
	st.shots[0] = nil
	st.shots = st.shots[1:]
	st.first++
	st.forgotten++
	for _, tag := range oldest.tags {
		// The lists are in ascending order, so the oldest screenshot is the first of
		// each.
		if st.byTag[tag] = st.byTag[tag][1:]; len(st.byTag[tag]) == 0 {
			delete(st.byTag, tag)
		}
	}
	return true
}

// finish records the result of a rendering and the deliveries that report it.
func (st *store) finish(shot *screenshot, r Rendering, failure string, at time.Time, deliveries []*delivery) {
	st.mu.Lock()
	defer st.mu.Unlock()
	shot.status, shot.result = statusFinished, resultOf(r)
	if failure != "" {
		shot.status, shot.err = statusError, failure
	}
	shot.finishedAt = at
	shot.addDeliveries(deliveries)
}

// find returns a copy of a screenshot. A deleted screenshot is not found.
func (st *store) find(id int64) (screenshot, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	shot := st.at(id)
	if shot == nil || shot.deleted {
		return screenshot{}, false
	}
	return *shot, true
}

// at returns the screenshot with the given id, or nil if there is none. The
// caller must hold the lock.
func (st *store) at(id int64) *screenshot {
	i := id - st.first
	if i < 0 || i >= int64(len(st.shots)) {
		return nil
	}
	return st.shots[i]
}

// filter selects screenshots. An empty field matches everything.
type filter struct {
	status, country, tag string
	urlPart              string
	limit, offset        int
}

func (f filter) matches(s *screenshot) bool {
	return !s.deleted && (f.status == "" || f.status == s.status) &&
		(f.country == "" || !s.metadataDeleted && strings.EqualFold(f.country, s.country)) &&
		(f.tag == "" || !s.metadataDeleted && slices.Contains(s.tags, f.tag)) &&
		(f.urlPart == "" || !s.urlDeleted && strings.Contains(s.render.URL, f.urlPart))
}

// list returns the screenshots that match the filter, newest first.
func (st *store) list(f filter) []object {
	st.mu.Lock()
	defer st.mu.Unlock()
	candidates := st.shots
	if f.tag != "" {
		candidates = st.byTag[f.tag]
	}
	found, skipped := []object{}, 0
	for _, shot := range slices.Backward(candidates) {
		switch {
		case !f.matches(shot) || st.unlisted(shot):
		case skipped < f.offset:
			skipped++
		default:
			found = append(found, shot.object())
			if len(found) == f.limit {
				return found
			}
		}
	}
	return found
}

// countCall counts a call of an endpoint, whether it succeeds or not.
func (st *store) countCall(endpoint string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.calls[endpoint]++
}

// countError counts a response with success=false.
func (st *store) countError(code string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.errors[code]++
}

// credits returns the remaining credits.
func (st *store) credits() float64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.balance
}

// recordAttempt records one attempt to deliver a webhook and the resulting state
// of the delivery.
func (st *store) recordAttempt(d *delivery, a LedgerAttempt, state string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	d.attempts = append(d.attempts, a)
	d.state = state
	if state != deliveryWaiting {
		d.pending--
	}
}

// ledger returns a copy of the store's state. The caller must hold the lock.
func (st *store) ledger() Ledger {
	l := Ledger{
		Balance:   st.balance,
		Spent:     st.spent,
		Calls:     maps.Clone(st.calls),
		Errors:    maps.Clone(st.errors),
		Fired:     maps.Clone(st.fired),
		Faults:    st.faults.copy(),
		Refused:   st.refusals.copy(),
		Forgotten: st.forgotten,
		Creates:   make([]LedgerCreate, 0, len(st.shots)),
	}
	for _, shot := range st.shots {
		l.Creates = append(l.Creates, shot.ledgerEntry())
	}
	return l
}
