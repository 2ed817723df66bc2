package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAdminBody is the maximum size of the body of PUT /sandbox/faults, in bytes.
const maxAdminBody = 64 << 10

var errRemote = &apiError{status: http.StatusForbidden, code: "REMOTE_CLIENT",
	text: "Faults can only be changed from this machine"}

// FaultState is the response to GET, PUT and DELETE /sandbox/faults.
type FaultState struct {
	Seed   int64            `json:"seed"`
	Faults []Fault          `json:"faults"` // the active faults, as text
	Fired  map[string]int64 `json:"fired"`  // number of occurrences since the start, by fault name
	Known  []FaultInfo      `json:"known"`
}

// SetFaults replaces all active faults and restarts the counting of occurrences.
// Webhooks that are already scheduled keep the faults chosen for them. If a fault
// is invalid, SetFaults returns an error that names it and changes nothing.
func (s *Server) SetFaults(faults []Fault, seed int64) error {
	set, err := newFaultSet(faults, seed)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.faults.current.Store(set)
	return nil
}

// manageFaults handles /sandbox/faults: GET returns the active faults, PUT
// replaces them with {"seed":7,"faults":["create-cut=0.1"]}, and DELETE removes
// them. The path is not part of the vendor's API, so successful responses have no
// envelope.
func (s *Server) manageFaults(w http.ResponseWriter, r *http.Request) {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	switch {
	case !fromLoopback(r):
		s.writeError(w, errRemote)
		return
	case !s.validKey(r, q):
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
		s.writeError(w, asAPIError(err))
		return
	}
	writeJSON(w, http.StatusOK, s.faultState())
}

// putFaults replaces the faults with those in the body. If the body has no seed,
// the current seed is kept.
func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) error {
	body := struct {
		Seed   *int64  `json:"seed"`
		Faults []Fault `json:"faults"`
	}{}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&body)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = fmt.Errorf("unexpected data after the JSON object")
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

// faultState returns the active faults, the counters and the list of known
// faults.
func (s *Server) faultState() FaultState {
	state := FaultState{Seed: s.cfg.Seed, Faults: []Fault{}, Fired: s.store.firedFaults(), Known: FaultList()}
	if set := s.faults.current.Load(); set != nil {
		state.Seed, state.Faults = set.seed, set.faults
	}
	return state
}

// fromLoopback reports whether the client runs on this machine.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
