package sandbox

import (
	"math"
	"net/http"
	"net/url"
	"slices"
)

// Ledger is the sandbox's own account of what it was asked and what it told,
// as GET /sandbox/ledger shows it. It is a copy, at one instant.
type Ledger struct {
	Renderer string  `json:"renderer"`
	Balance  float64 `json:"balance"` // credits left
	Spent    float64 `json:"spent"`   // credits charged so far

	// Calls counts requests by endpoint ("screenshot/create"), refused ones
	// included; Errors counts the refusals by code.
	Calls  map[string]int64 `json:"calls"`
	Errors map[string]int64 `json:"errors"`

	// Fired counts the faults that happened, by name; Faults are the latest of
	// them, as many as screenshots are remembered, oldest first.
	Fired  map[string]int64 `json:"fired"`
	Faults []LedgerFault    `json:"faults"`

	// Refused are the latest creates without effect that were well worded, as
	// many as screenshots are remembered, oldest first.
	Refused []LedgerRefusal `json:"refused"`

	// Creates are the remembered screenshots, oldest first; Forgotten is how
	// many older ones made room for them.
	Creates   []LedgerCreate `json:"creates"`
	Forgotten int            `json:"forgotten"`

	// Batches are the remembered ones, oldest first. Each of their rows that
	// became a screenshot is among the creates.
	Batches []LedgerBatch `json:"batches"`
}

// LedgerBatch is one batch of the vendor's kind.
type LedgerBatch struct {
	ID         int64            `json:"id"`
	Status     string           `json:"status"`
	Error      string           `json:"error,omitempty"`
	Tags       []string         `json:"tags"`
	Apps       []string         `json:"apps"`
	Count      int              `json:"count"`
	Processed  int              `json:"processed"`
	Failed     int              `json:"failed"`
	CreatedAt  string           `json:"created_at"`
	FinishedAt string           `json:"finished_at,omitempty"`
	Answer     string           `json:"answer"`           // as of a create
	Faults     []string         `json:"faults,omitempty"` // that happened to it, not to its rows
	Deliveries []LedgerDelivery `json:"deliveries"`       // of batch.finished
}

// LedgerCreate is one create that took effect.
type LedgerCreate struct {
	ID         int64            `json:"id"`
	Batch      int64            `json:"batch,omitempty"` // whose row it is
	URL        string           `json:"url"`             // normalised
	Status     string           `json:"status"`
	Error      string           `json:"error,omitempty"`
	Tags       []string         `json:"tags"`
	Apps       []string         `json:"apps"`
	Cost       float64          `json:"cost"`
	CreatedAt  string           `json:"created_at"`
	FinishedAt string           `json:"finished_at,omitempty"`
	Deleted    bool             `json:"deleted,omitempty"` // by its owner
	Ignored    []string         `json:"ignored,omitempty"` // parameters without effect
	Answer     string           `json:"answer"`            // HTTP status, cut, or gone: the caller was; empty for a row
	Faults     []string         `json:"faults,omitempty"`  // that happened to it
	Deliveries []LedgerDelivery `json:"deliveries"`
}

// LedgerRefusal is one create that took no effect.
type LedgerRefusal struct {
	At     string   `json:"at"`
	URL    string   `json:"url"` // normalised; empty for a whole batch
	Tags   []string `json:"tags"`
	Batch  int64    `json:"batch,omitempty"` // whose row it was
	Answer string   `json:"answer"`          // HTTP status, or cut; empty for a row
	Faults []string `json:"faults,omitempty"`
}

// LedgerFault is one fault that happened.
type LedgerFault struct {
	Fault      string `json:"fault"`
	Subject    string `json:"subject"`    // URL (or batch) and tags of the create and what of it, or the reading call
	Occurrence int    `json:"occurrence"` // the how many-th such create or call it was, from 1
}

// LedgerDelivery is one webhook owed to one app.
type LedgerDelivery struct {
	App      string          `json:"app"`
	Event    string          `json:"event"`
	State    string          `json:"state"`           // waiting, delivered, given_up or dropped
	Fault    string          `json:"fault,omitempty"` // that made the sandbox send it; empty for what it owes
	Attempts []LedgerAttempt `json:"attempts"`
}

// LedgerAttempt is one post of a webhook.
type LedgerAttempt struct {
	Number    int    `json:"attempt"` // from 1
	At        string `json:"at"`
	Signature string `json:"signature"`        // valid, wrong or none
	Status    int    `json:"status,omitempty"` // HTTP status, 0 when no answer came
	Error     string `json:"error,omitempty"`  // why no answer came
}

// ledgerEntry deep-copies what may still change.
func (s *screenshot) ledgerEntry() LedgerCreate {
	e := LedgerCreate{
		ID:         s.id,
		URL:        s.render.URL,
		Status:     s.status,
		Error:      s.err,
		Tags:       s.tags,
		Apps:       s.appIDs(),
		Cost:       s.cost,
		CreatedAt:  exactStamp(s.createdAt),
		FinishedAt: exactStamp(s.finishedAt),
		Ignored:    s.ignored,
		Deleted:    s.deleted,
		Answer:     "200",
		Deliveries: s.ledgerDeliveries(),
	}
	if s.batch != nil {
		e.Batch, e.Answer = s.batch.id, ""
	}
	if s.fate != nil {
		e.Answer = orElse(s.fate.answer, e.Answer)
		e.Faults = slices.Clone(s.fate.fired)
	}
	return e
}

// ledgerDeliveries deep-copies the deliveries.
func (t *told) ledgerDeliveries() []LedgerDelivery {
	entries := make([]LedgerDelivery, 0, len(t.deliveries))
	for _, d := range t.deliveries {
		entries = append(entries, LedgerDelivery{
			App:      d.app,
			Event:    d.event,
			State:    d.state,
			Fault:    d.cause,
			Attempts: append([]LedgerAttempt{}, d.attempts...),
		})
	}
	return entries
}

// ledger copies the batches for a reader. Both locks, the books' too, are the
// caller's.
func (b *batches) ledger() []LedgerBatch {
	entries := make([]LedgerBatch, 0, len(b.all))
	for _, one := range b.all {
		entry := LedgerBatch{
			ID: one.id, Status: one.status, Error: one.err, Tags: one.tags, Apps: one.appIDs(),
			Count: len(one.rows), Processed: one.processed, Failed: one.failed,
			CreatedAt: exactStamp(one.createdAt), FinishedAt: exactStamp(one.finishedAt), Answer: "200", Deliveries: one.ledgerDeliveries(),
		}
		if one.fate != nil {
			entry.Answer, entry.Faults = orElse(one.fate.answer, entry.Answer), slices.Clone(one.fate.fired)
		}
		entries = append(entries, entry)
	}
	return entries
}

// appIDs are the apps that the order names.
func (o *order) appIDs() []string {
	ids := make([]string, 0, len(o.apps))
	for _, a := range o.apps {
		ids = append(ids, a.id)
	}
	return ids
}

// Ledger returns the books as they are now.
func (s *Server) Ledger() Ledger {
	s.batches.mu.Lock()
	s.books.mu.Lock()
	l := s.books.ledger()
	l.Batches = s.batches.ledger()
	s.books.mu.Unlock()
	s.batches.mu.Unlock()
	l.Renderer = s.cfg.Renderer.Name()
	return l
}

// showLedger answers GET /sandbox/ledger; tag and id leave only the creates,
// refusals and batches with that tag, and the create with that id. The books are no
// part of the vendor's API, so they come without its envelope.
func (s *Server) showLedger(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	switch {
	case !s.keyHolds(r, q):
		s.writeError(w, errKey)
	case r.Method != http.MethodGet:
		s.writeError(w, wrongMethod(http.MethodGet))
	default:
		l, err := s.Ledger().narrowed(q)
		if err != nil {
			s.writeError(w, refusalOf(err))
			return
		}
		writeJSON(w, http.StatusOK, l)
	}
}

// narrowed leaves only the creates and refusals that q names by tag and id.
// The sums stay those of everything.
func (l Ledger) narrowed(q url.Values) (Ledger, error) {
	p := &params{query: q}
	tag, id := q.Get("tag"), p.integer("id", 1, math.MaxInt, 0)
	lacks := func(tags []string) bool { return tag != "" && !slices.Contains(tags, tag) }
	l.Creates = slices.DeleteFunc(l.Creates, func(c LedgerCreate) bool {
		return lacks(c.Tags) || id != 0 && c.ID != int64(id)
	})
	l.Batches = slices.DeleteFunc(l.Batches, func(b LedgerBatch) bool { return lacks(b.Tags) })
	l.Refused = slices.DeleteFunc(l.Refused, func(r LedgerRefusal) bool { return lacks(r.Tags) || id != 0 })
	return l, p.err()
}
