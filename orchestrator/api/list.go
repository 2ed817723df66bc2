package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shotline/jobs"
)

type listJobs struct {
	Batch  string   `query:"batch" doc:"Of this batch alone"`
	State  []string `query:"state" enum:"queued,submitting,pending,done,failed,timed_out,canceled,duplicate,rejected" doc:"In one of these states"`
	Text   string   `query:"q" maxLength:"200" doc:"With this text in the URL, whatever the case"`
	Order  string   `query:"order" enum:"newest,oldest" default:"newest"`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string   `query:"cursor" doc:"The next of the page before, with the same search"`
}

// JobPage is a page of jobs.
type JobPage struct {
	Jobs []jobs.JobForm `json:"jobs" nullable:"false"`
	Next string         `json:"next,omitempty" doc:"The cursor of the next page; absent on the last one"`
}

func (s *server) listJobs(ctx context.Context, in *listJobs) (*struct{ Body JobPage }, error) {
	search := jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: in.Batch, Limit: in.Limit}, Text: in.Text, Newest: in.Order == "newest"}
	in.State = slices.Compact(slices.Sorted(slices.Values(in.State))) // a cursor is for the same states in any order
	for _, state := range in.State {
		search.States = append(search.States, jobs.State(state))
	}
	about := fmt.Sprintf("jobs %q %q %q %s", in.Batch, in.State, in.Text, in.Order)
	if in.Cursor != "" {
		place, err := openCursor(in.Cursor, about)
		if err == nil {
			search.After, err = jobs.ParseID(place)
		}
		if err != nil {
			return nil, invalid("query.cursor", errCursor)
		}
	}
	if in.Batch != "" {
		if _, err := s.batch(ctx, in.Batch); err != nil {
			return nil, err
		}
	}
	found, next, err := s.Store.Search(ctx, search)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil, invalid("query.cursor", errCursor) // its batch is gone
	}
	if err != nil {
		return nil, s.failed(ctx, "search jobs", err)
	}
	page := JobPage{Jobs: make([]jobs.JobForm, len(found))}
	for i, j := range found {
		page.Jobs[i] = jobForm(j)
	}
	if !next.IsZero() {
		page.Next = newCursor(next.String(), about)
	}
	return &struct{ Body JobPage }{page}, nil
}

// errCursor is all that is told of a cursor that was not ours, or not for this.
var errCursor = errors.New("cursor: want the next of a page of the same search")

// A cursor is a place and a mark of the search that it is a place of: with
// another search it would skip rows without saying so.

func newCursor(place, about string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(mark(about) + " " + place))
}

func openCursor(cursor, about string) (place string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", errCursor
	}
	of, place, found := strings.Cut(string(text), " ")
	if !found || of != mark(about) {
		return "", errCursor
	}
	return place, nil
}

func mark(about string) string {
	sum := sha256.Sum256([]byte(about))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
