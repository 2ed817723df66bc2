package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// CallbackPage is a page of callbacks.
type CallbackPage struct {
	Callbacks []jobjson.Callback `json:"callbacks" nullable:"false"`
	Next      string             `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type listCallbacks struct {
	State  []string `query:"state" enum:"owed,delivered,dead" doc:"Only callbacks in one of these states"`
	Batch  string   `query:"batch"`
	Sink   string   `query:"sink" doc:"Only callbacks to the sink with this name"`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string   `query:"cursor" doc:"The next of the previous page; the other parameters must be the same"`
}

type replayCallbacks struct {
	State []string `query:"state" enum:"owed,dead" default:"dead" doc:"Replay callbacks in one of these states"`
	Batch string   `query:"batch"`
	Sink  string   `query:"sink" doc:"Only callbacks to the sink with this name"`
}

type oneCallback struct {
	Seq int64 `path:"seq" minimum:"1"`
}

// Replayed is the number of callbacks that will be sent again.
type Replayed struct {
	Replayed int `json:"replayed"`
}

func (s *server) callbackRoutes() {
	list := operation(http.MethodGet, "/v1/callbacks", "listCallbacks", "callbacks", "List callbacks, newest first")
	huma.Register(s.api, list, s.listCallbacks)

	all := operation(http.MethodPost, "/v1/callbacks/replay", "replayCallbacks", "callbacks", "Send dead callbacks again")
	all.DefaultStatus = http.StatusAccepted
	all.Description = "Dead callbacks become owed again. Owed callbacks that wait for their next attempt become due at once."
	huma.Register(s.api, all, s.replayCallbacks)

	one := operation(http.MethodPost, "/v1/callbacks/{seq}/replay", "replayCallback", "callbacks", "Send a callback again", http.StatusNotFound, http.StatusConflict)
	one.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, one, s.replayCallback)
}

func (s *server) listCallbacks(ctx context.Context, in *listCallbacks) (*struct{ Body CallbackPage }, error) {
	filter := jobs.CallbackFilter{Sink: in.Sink, Batch: in.Batch, Limit: in.Limit}
	in.State = slices.Compact(slices.Sorted(slices.Values(in.State)))
	for _, state := range in.State {
		filter.States = append(filter.States, jobs.CallbackState(state))
	}
	scope := fmt.Sprintf("callbacks %q %q %q", in.State, in.Batch, in.Sink)
	if in.Cursor != "" {
		place, err := openCursor(in.Cursor, scope)
		if err == nil {
			filter.Before, err = strconv.ParseInt(place, 10, 64)
		}
		if err != nil {
			return nil, invalid("query.cursor", errCursor)
		}
	}
	found, err := s.Store.Callbacks(ctx, filter)
	if err != nil {
		return nil, s.failed(ctx, "list callbacks", err)
	}
	page := CallbackPage{Callbacks: make([]jobjson.Callback, len(found))}
	for i, c := range found {
		page.Callbacks[i] = callbackJSON(c)
		if readOnly(ctx) {
			page.Callbacks[i] = shieldCallback(page.Callbacks[i])
		}
	}
	if len(found) == in.Limit {
		page.Next = newCursor(strconv.FormatInt(found[len(found)-1].Seq, 10), scope)
	}
	return &struct{ Body CallbackPage }{page}, nil
}

func callbackJSON(c jobs.Callback) jobjson.Callback {
	form := jobjson.FromCallback(c)
	form.URL = withoutQuery(form.URL)
	return form
}

// withoutQuery removes the query and the user from an address, because they might
// contain secrets.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (s *server) replayCallbacks(ctx context.Context, in *replayCallbacks) (*struct{ Body Replayed }, error) {
	filter := jobs.CallbackFilter{Sink: in.Sink, Batch: in.Batch}
	for _, state := range in.State {
		filter.States = append(filter.States, jobs.CallbackState(state))
	}
	n, err := s.Store.ReplayCallbacks(ctx, filter, s.Now())
	if err != nil {
		return nil, s.failed(ctx, "replay callbacks", err)
	}
	return &struct{ Body Replayed }{Replayed{n}}, nil
}

func (s *server) replayCallback(ctx context.Context, in *oneCallback) (*struct{ Body Replayed }, error) {
	filter := jobs.CallbackFilter{Seqs: []int64{in.Seq}}
	found, err := s.Store.Callbacks(ctx, filter)
	if err != nil {
		return nil, s.failed(ctx, "read callback", err)
	}
	if len(found) == 0 {
		return nil, problem(http.StatusNotFound, fmt.Sprintf("there is no callback %d", in.Seq))
	}
	n, err := s.Store.ReplayCallbacks(ctx, filter, s.Now())
	if err != nil {
		return nil, s.failed(ctx, "replay callback", err)
	}
	if n == 0 {
		return nil, problem(http.StatusConflict, fmt.Sprintf("callback %d is %s or is being sent now", in.Seq, found[0].State))
	}
	return &struct{ Body Replayed }{Replayed{n}}, nil
}
