package sandbox

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// books is everything the sandbox remembers: screenshots, credits, counters.
// All methods are safe for concurrent use and none waits for anything.
type books struct {
	max int              // screenshots remembered
	now func() time.Time // set before the books are used

	mu        sync.Mutex
	first     int64 // id of shots[0]; ids are consecutive
	shots     []*screenshot
	byTag     map[string][]*screenshot // ascending ids, as in shots
	forgotten int
	balance   float64
	spent     float64
	calls     map[string]int64
	errors    map[string]int64

	fired      map[string]int64 // faults by name
	faults     recent[LedgerFault]
	turnedAway recent[LedgerRefusal]
}

func newBooks(max int, firstID int64, balance float64) *books {
	return &books{
		max:     max,
		first:   firstID,
		byTag:   make(map[string][]*screenshot),
		balance: balance,
		calls:   make(map[string]int64),
		errors:  make(map[string]int64),
		fired:   make(map[string]int64),

		faults:     recent[LedgerFault]{max: max},
		turnedAway: recent[LedgerRefusal]{max: max},
	}
}

// open charges the order and enters it as processing. It returns errCredits
// or errFull, and then nothing is charged.
func (b *books) open(o order) (*screenshot, object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.balance < o.cost {
		return nil, object{}, errCredits
	}
	if len(b.shots) >= b.max && !b.forgetOldest() {
		return nil, object{}, errFull
	}
	b.balance -= o.cost
	b.spent += o.cost
	shot := &screenshot{told: told{id: b.first + int64(len(b.shots))}, order: o, status: statusProcessing}
	b.shots = append(b.shots, shot)
	for _, tag := range o.tags {
		b.byTag[tag] = append(b.byTag[tag], shot)
	}
	return shot, shot.object(), nil
}

// forgetOldest makes room by dropping the oldest screenshot, unless something
// can still happen to it.
func (b *books) forgetOldest() bool {
	oldest := b.shots[0]
	if !oldest.settled() {
		return false
	}
	b.shots[0] = nil
	b.shots = b.shots[1:]
	b.first++
	b.forgotten++
	for _, tag := range oldest.tags {
		// Lists are ascending, so the oldest is at the head of each of its own.
		if b.byTag[tag] = b.byTag[tag][1:]; len(b.byTag[tag]) == 0 {
			delete(b.byTag, tag)
		}
	}
	return true
}

// finish ends a rendering and enters the deliveries that tell of it.
func (b *books) finish(shot *screenshot, r Rendering, failure string, at time.Time, deliveries []*delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shot.status, shot.result = statusFinished, resultOf(r)
	if failure != "" {
		shot.status, shot.err = statusError, failure
	}
	shot.finishedAt = at
	shot.owe(deliveries)
}

// find returns a copy of one screenshot.
func (b *books) find(id int64) (screenshot, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shot := b.at(id)
	if shot == nil || shot.deleted {
		return screenshot{}, false
	}
	return *shot, true
}

// at returns the screenshot of that id, nil when there is none. The lock is the
// caller's.
func (b *books) at(id int64) *screenshot {
	i := id - b.first
	if i < 0 || i >= int64(len(b.shots)) {
		return nil
	}
	return b.shots[i]
}

// filter selects screenshots; empty fields select all.
type filter struct {
	status, country, tag string
	urlPart              string
	limit, offset        int
}

func (f filter) matches(s *screenshot) bool {
	return !s.deleted && (f.status == "" || f.status == s.status) &&
		(f.country == "" || !s.bare && strings.EqualFold(f.country, s.country)) &&
		(f.tag == "" || !s.bare && slices.Contains(s.tags, f.tag)) &&
		(f.urlPart == "" || !s.nameless && strings.Contains(s.render.URL, f.urlPart))
}

// list returns what the filter selects, newest first.
func (b *books) list(f filter) []object {
	b.mu.Lock()
	defer b.mu.Unlock()
	candidates := b.shots
	if f.tag != "" {
		candidates = b.byTag[f.tag]
	}
	found, skipped := []object{}, 0
	for _, shot := range slices.Backward(candidates) {
		switch {
		case !f.matches(shot) || b.lags(shot):
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

// countCall counts a call of an endpoint, whatever its answer.
func (b *books) countCall(endpoint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[endpoint]++
}

// countError counts an answer with success=false.
func (b *books) countError(code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors[code]++
}

// credits returns what is left.
func (b *books) credits() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.balance
}

// attempted records one post of a webhook and what became of the delivery.
func (b *books) attempted(d *delivery, a LedgerAttempt, state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.attempts = append(d.attempts, a)
	d.state = state
	if state != deliveryWaiting {
		d.undecided--
	}
}

// ledger copies the books for a reader. The lock is the caller's.
func (b *books) ledger() Ledger {
	l := Ledger{
		Balance:   b.balance,
		Spent:     b.spent,
		Calls:     maps.Clone(b.calls),
		Errors:    maps.Clone(b.errors),
		Fired:     maps.Clone(b.fired),
		Faults:    b.faults.copy(),
		Refused:   b.turnedAway.copy(),
		Forgotten: b.forgotten,
		Creates:   make([]LedgerCreate, 0, len(b.shots)),
	}
	for _, shot := range b.shots {
		l.Creates = append(l.Creates, shot.ledgerEntry())
	}
	return l
}
