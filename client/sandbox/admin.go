package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAdminBody bounds the body of a PUT /sandbox/faults.
const maxAdminBody = 64 << 10

var errRemote = &apiError{status: http.StatusForbidden, code: "REMOTE_CLIENT",
	text: "Faults are set from this machine only"}

// FaultState is what GET /sandbox/faults answers, and PUT and DELETE likewise.
type FaultState struct {
	Seed   int64            `json:"seed"`
	Faults []Fault          `json:"faults"` // in force, as text
	Fired  map[string]int64 `json:"fired"`  // since the start, by name
	Known  []FaultInfo      `json:"known"`
}

// SetFaults replaces the faults in force, at once and as a whole, and counts
// occurrences anew. Webhooks that are under way keep what was decided for
// them. An error names the fault that is wrong, and then nothing is changed.
func (s *Server) SetFaults(faults []Fault, seed int64) error {
	set, err := newFaultSet(faults, seed)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.faults.current.Store(set)
	return nil
}

// manageFaults answers /sandbox/faults: GET shows the faults in force, PUT
// replaces them by {"seed":7,"faults":["create-cut=0.1"]}, DELETE ends them.
// It is no part of the vendor's API, so it comes without its envelope.
func (s *Server) manageFaults(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	switch {
	case !fromLoopback(r):
		s.writeError(w, errRemote)
		return
	case !s.keyHolds(r, q):
		s.writeError(w, errKey)
		return
	}
	var err error
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut:
		err = s.putFaults(w, r)
	case http.MethodDelete:
		err = s.SetFaults(nil, 0)
	default:
		err = wrongMethod("GET, PUT, DELETE")
	}
	if err != nil {
		s.writeError(w, refusalOf(err))
		return
	}
	writeJSON(w, http.StatusOK, s.faultState())
}

// putFaults replaces the faults by those of the body. Without a seed in it the
// seed stays.
func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) error {
	body := struct {
		Seed   *int64  `json:"seed"`
		Faults []Fault `json:"faults"`
	}{}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&body)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = fmt.Errorf("there is more after the object")
	}
	if err == nil {
		seed := s.faultState().Seed
		if body.Seed != nil {
			seed = *body.Seed
		}
		err = s.SetFaults(body.Faults, seed)
	}
	if err != nil {
		return &apiError{status: http.StatusBadRequest, code: "VALIDATION_ERROR", text: err.Error(),
			fields: map[string][]string{"faults": {err.Error()}}}
	}
	return nil
}

// faultState is the faults in force.
func (s *Server) faultState() FaultState {
	state := FaultState{Seed: s.cfg.Seed, Faults: []Fault{}, Fired: s.books.firedFaults(), Known: FaultList()}
	if set := s.faults.current.Load(); set != nil {
		state.Seed, state.Faults = set.seed, set.faults
	}
	return state
}

// fromLoopback reports whether the caller runs on this machine.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
