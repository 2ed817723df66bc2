package sandbox

import (
	"math"
	"net/http"
	"net/url"
	"slices"
)

// Ledger is the sandbox's record of requests and webhooks, as GET /sandbox/ledger
// returns it. It is a consistent copy.
type Ledger struct {
	Renderer string  `json:"renderer"`
	Balance  float64 `json:"balance"` // remaining credits
	Spent    float64 `json:"spent"`   // credits charged so far

	// Calls counts requests by endpoint ("screenshot/create"), including refused
	// ones. Errors counts refusals by code.
	Calls  map[string]int64 `json:"calls"`
	Errors map[string]int64 `json:"errors"`

	// Fired counts the faults that happened, by name. Faults are the latest of
	// them, oldest first; at most MaxScreenshots are kept.
	Fired  map[string]int64 `json:"fired"`
	Faults []LedgerFault    `json:"faults"`

	// Refused are the latest valid creates that took no effect, oldest first; at
	// most MaxScreenshots are kept.
	Refused []LedgerRefusal `json:"refused"`

	// Creates are the remembered screenshots, oldest first. Forgotten is the number
	// of older ones that were removed.
	Creates   []LedgerCreate `json:"creates"`
	Forgotten int            `json:"forgotten"`

	// Batches are the remembered batches, oldest first. Rows that became
	// screenshots are in Creates.
	Batches []LedgerBatch `json:"batches"`
}

// LedgerBatch is one batch.
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
	Answer     string           `json:"answer"`           // as in LedgerCreate
	Faults     []string         `json:"faults,omitempty"` // faults of the batch, not of its rows
	Deliveries []LedgerDelivery `json:"deliveries"`       // deliveries of batch.finished
}

// LedgerCreate is one create that took effect.
type LedgerCreate struct {
	ID         int64            `json:"id"`
	Batch      int64            `json:"batch,omitempty"` // the batch, if this is a row
	URL        string           `json:"url"`             // normalized
	Status     string           `json:"status"`
	Error      string           `json:"error,omitempty"`
	Tags       []string         `json:"tags"`
	Apps       []string         `json:"apps"`
	Cost       float64          `json:"cost"`
	CreatedAt  string           `json:"created_at"`
	FinishedAt string           `json:"finished_at,omitempty"`
	Deleted    bool             `json:"deleted,omitempty"` // deleted through the API
	Ignored    []string         `json:"ignored,omitempty"` // parameters without effect
	Answer     string           `json:"answer"`            // HTTP status, cut, or gone if the client had disconnected; empty for a row
	Faults     []string         `json:"faults,omitempty"`  // faults of this create
	Deliveries []LedgerDelivery `json:"deliveries"`
}

// LedgerRefusal is one create that took no effect.
type LedgerRefusal struct {
	At     string   `json:"at"`
	URL    string   `json:"url"` // normalized; empty for a batch
	Tags   []string `json:"tags"`
	Batch  int64    `json:"batch,omitempty"` // the batch, if this is a row
	Answer string   `json:"answer"`          // HTTP status, or cut; empty for a row
	Faults []string `json:"faults,omitempty"`
}

// LedgerFault is one fault that happened.
type LedgerFault struct {
	Fault      string `json:"fault"`
	Subject    string `json:"subject"`    // of a create: URL (or batch), tags and part; of a read-only call: endpoint and query
	Occurrence int    `json:"occurrence"` // number of the occurrence of this subject, from 1
}

// LedgerDelivery is one webhook for one app.
type LedgerDelivery struct {
	App      string          `json:"app"`
	Event    string          `json:"event"`
	State    string          `json:"state"`           // waiting, delivered, given_up or dropped
	Fault    string          `json:"fault,omitempty"` // fault that created this delivery; empty for a regular one
	Attempts []LedgerAttempt `json:"attempts"`
}

// LedgerAttempt is one attempt to deliver a webhook.
type LedgerAttempt struct {
	Number    int    `json:"attempt"` // from 1
	At        string `json:"at"`
	Signature string `json:"signature"`        // valid, wrong or none
	Status    int    `json:"status,omitempty"` // HTTP status; 0 if there was no response
	Error     string `json:"error,omitempty"`  // why there was no response
}

// ledgerEntry returns the screenshot's entry in the ledger. Fields that can still
// change are deep copies.
func (s *screenshot) ledgerEntry() LedgerCreate {
	e := LedgerCreate{
		ID:         s.id,
		URL:        s.render.URL,
		Status:     s.status,
		Error:      s.err,
		Tags:       s.tags,
		Apps:       s.appIDs(),
		Cost:       s.cost,
		CreatedAt:  ledgerTime(s.createdAt),
		FinishedAt: ledgerTime(s.finishedAt),
		Ignored:    s.ignored,
		Deleted:    s.deleted,
		Answer:     "200",
		Deliveries: s.ledgerDeliveries(),
	}
	if s.batch != nil {
		e.Batch, e.Answer = s.batch.id, ""
	}
	if s.plan != nil {
		e.Answer = orElse(s.plan.answer, e.Answer)
		e.Faults = slices.Clone(s.plan.fired)
	}
	return e
}

// ledgerDeliveries returns deep copies of the deliveries.
func (t *webhookSource) ledgerDeliveries() []LedgerDelivery {
	entries := make([]LedgerDelivery, 0, len(t.deliveries))
	for _, d := range t.deliveries {
		entries = append(entries, LedgerDelivery{
			App:      d.app,
			Event:    d.Event,
			State:    d.state,
			Fault:    d.cause,
			Attempts: append([]LedgerAttempt{}, d.attempts...),
		})
	}
	return entries
}

// ledger returns copies of the batches. The caller must hold the locks of b and
// of the store.
func (b *batches) ledger() []LedgerBatch {
	entries := make([]LedgerBatch, 0, len(b.all))
	for _, one := range b.all {
		entry := LedgerBatch{
			ID: one.id, Status: one.status, Error: one.err, Tags: one.tags, Apps: one.appIDs(),
			Count: len(one.rows), Processed: one.processed, Failed: one.failed,
			CreatedAt: ledgerTime(one.createdAt), FinishedAt: ledgerTime(one.finishedAt), Answer: "200", Deliveries: one.ledgerDeliveries(),
		}
		if one.plan != nil {
			entry.Answer, entry.Faults = orElse(one.plan.answer, entry.Answer), slices.Clone(one.plan.fired)
		}
		entries = append(entries, entry)
	}
	return entries
}

// appIDs returns the ids of the apps that the order names.
func (o *order) appIDs() []string {
	ids := make([]string, 0, len(o.apps))
	for _, a := range o.apps {
		ids = append(ids, a.id)
	}
	return ids
}

// Ledger returns a copy of the current state.
func (s *Server) Ledger() Ledger {
	s.batches.mu.Lock()
	s.store.mu.Lock()
	l := s.store.ledger()
	l.Batches = s.batches.ledger()
	s.store.mu.Unlock()
	s.batches.mu.Unlock()
	l.Renderer = s.cfg.Renderer.Name()
	return l
}

// showLedger handles GET /sandbox/ledger. The parameter tag limits creates,
// refusals and batches to those with that tag, and id limits creates to the one
// with that id. The path is not part of the vendor's API, so successful responses
// have no envelope.
func (s *Server) showLedger(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	switch {
	case !s.validKey(r, q):
		s.writeError(w, errKey)
	case r.Method != http.MethodGet:
		s.writeError(w, wrongMethod(http.MethodGet))
	default:
		l, err := s.Ledger().filtered(q)
		if err != nil {
			s.writeError(w, asAPIError(err))
			return
		}
		writeJSON(w, http.StatusOK, l)
	}
}

// filtered removes the entries that do not match the parameters tag and id of q.
// The totals stay those of all entries.
func (l Ledger) filtered(q url.Values) (Ledger, error) {
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
