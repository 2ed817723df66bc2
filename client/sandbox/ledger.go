package sandbox

import (
	"net/http"
	"net/url"
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

	// Creates are the remembered screenshots, oldest first; Forgotten is how
	// many older ones made room for them.
	Creates   []LedgerCreate `json:"creates"`
	Forgotten int            `json:"forgotten"`
}

// LedgerCreate is one create that took effect.
type LedgerCreate struct {
	ID         int64            `json:"id"`
	URL        string           `json:"url"` // normalised
	Status     string           `json:"status"`
	Error      string           `json:"error,omitempty"`
	Tags       []string         `json:"tags"`
	Apps       []string         `json:"apps"`
	Cost       float64          `json:"cost"`
	CreatedAt  string           `json:"created_at"`
	FinishedAt string           `json:"finished_at,omitempty"`
	Deliveries []LedgerDelivery `json:"deliveries"`
}

// LedgerDelivery is one webhook owed to one app.
type LedgerDelivery struct {
	App      string          `json:"app"`
	Event    string          `json:"event"`
	State    string          `json:"state"` // waiting, delivered or given_up
	Attempts []LedgerAttempt `json:"attempts"`
}

// LedgerAttempt is one post of a webhook.
type LedgerAttempt struct {
	At     string `json:"at"`
	Status int    `json:"status,omitempty"` // HTTP status, 0 when no answer came
	Error  string `json:"error,omitempty"`  // why no answer came
}

// ledgerEntry deep-copies what may still change.
func (s *screenshot) ledgerEntry() LedgerCreate {
	e := LedgerCreate{
		ID:         s.id,
		URL:        s.render.URL,
		Status:     s.status,
		Error:      s.err,
		Tags:       s.tags,
		Apps:       make([]string, 0, len(s.apps)),
		Cost:       s.cost,
		CreatedAt:  stamp(s.createdAt),
		FinishedAt: stamp(s.finishedAt),
		Deliveries: make([]LedgerDelivery, 0, len(s.deliveries)),
	}
	for _, a := range s.apps {
		e.Apps = append(e.Apps, a.id)
	}
	for _, d := range s.deliveries {
		e.Deliveries = append(e.Deliveries, LedgerDelivery{
			App:      d.app,
			Event:    d.event,
			State:    d.state,
			Attempts: append([]LedgerAttempt{}, d.attempts...),
		})
	}
	return e
}

// Ledger returns the books as they are now.
func (s *Server) Ledger() Ledger {
	l := s.books.ledger()
	l.Renderer = s.cfg.Renderer.Name()
	return l
}

// showLedger answers GET /sandbox/ledger. The books are no part of the
// vendor's API, so they come without its envelope.
func (s *Server) showLedger(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	switch {
	case !s.keyHolds(r, q):
		writeError(w, errKey)
	case r.Method != http.MethodGet:
		writeError(w, wrongMethod(http.MethodGet))
	default:
		writeJSON(w, http.StatusOK, s.Ledger())
	}
}
