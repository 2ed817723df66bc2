package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
	"shotline/jobs/weburl"
)

type listJobs struct {
	Batch  string   `query:"batch" doc:"Only jobs of this batch"`
	State  []string `query:"state" enum:"queued,submitting,pending,done,failed,timed_out,canceled,duplicate,rejected" doc:"Only jobs in one of these states"`
	Text   string   `query:"q" maxLength:"200" doc:"Only jobs with this text in the URL; case is ignored. The text is also found as it is written in a URL: bücher finds xn--bcher-kva.example and /b%C3%BCcher"`
	Error  string   `query:"error" maxLength:"200" doc:"Only jobs with this text in the error; case is ignored"`
	Tag    []string `query:"tag,explode" maxItems:"20" doc:"Only jobs with this tag, their own or their batch's; if several tags are given, with all of them"`
	Since  string   `query:"since" example:"2026-03-01T06:00:00Z" doc:"Only jobs created at this time or later: a time (RFC 3339), or a date, which begins at midnight UTC"`
	Until  string   `query:"until" example:"2026-03-02" doc:"Only jobs created before this time"`
	Order  string   `query:"order" enum:"newest,oldest" default:"newest"`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string   `query:"cursor" doc:"The next of the previous page; the other parameters must be the same"`

	Metadata map[string]string `query:"metadata,deepObject" doc:"metadata.NAME=VALUE or metadata[NAME]=VALUE: only jobs whose field NAME is this text, or this number, true, false or null as it was written"`
}

// Resolve reads the metadata parameters, whose names are arbitrary.
func (in *listJobs) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.Metadata = members(u.Query(), "metadata")
	return nil
}

// parseTime parses a time or a date of a query. It returns the zero time for an
// empty text.
func parseTime(name, text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return t, invalid("query."+name, fmt.Errorf("%s: want a time such as 2026-03-01T06:00:00Z, or a date such as 2026-03-01", name))
	}
	return t, nil
}

// JobPage is a page of jobs.
type JobPage struct {
	Jobs []jobjson.Job `json:"jobs" nullable:"false"`
	Next string        `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

func (s *server) listJobs(ctx context.Context, in *listJobs) (*struct{ Body JobPage }, error) {
	search := jobs.JobSearch{
		JobFilter: jobs.JobFilter{Batch: in.Batch, Limit: in.Limit}, Text: in.Text, Error: in.Error, Tags: in.Tag, Metadata: in.Metadata,
		Newest: in.Order == "newest",
	}
	search.Spellings = weburl.Spellings(in.Text)
	var err error
	if search.Since, err = parseTime("since", in.Since); err != nil {
		return nil, err
	}
	if search.Until, err = parseTime("until", in.Until); err != nil {
		return nil, err
	}
	in.Tag = slices.Compact(slices.Sorted(slices.Values(in.Tag)))
	in.State = slices.Compact(slices.Sorted(slices.Values(in.State))) // a cursor is valid for the same states in any order
	for _, state := range in.State {
		search.States = append(search.States, jobs.State(state))
	}
	scope := fmt.Sprintf("jobs %q %q %q %s %q %q %q %q %q", in.Batch, in.State, in.Text, in.Order, in.Error, in.Tag, in.Since, in.Until, in.Metadata)
	if in.Cursor != "" {
		place, err := openCursor(in.Cursor, scope)
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
	found, next, err := s.visibleStore(ctx).Search(ctx, search)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil, invalid("query.cursor", errCursor) // the batch of the cursor no longer exists
	}
	if err != nil {
		return nil, s.failed(ctx, "search jobs", err)
	}
	page := JobPage{Jobs: make([]jobjson.Job, len(found))}
	for i, j := range found {
		page.Jobs[i] = jobJSON(j)
	}
	if !next.IsZero() {
		page.Next = newCursor(next.String(), scope)
	}
	return &struct{ Body JobPage }{page}, nil
}

// errCursor is the error of every invalid cursor.
var errCursor = errors.New("cursor: want the next of a page of the same search")

// A cursor holds a position and a hash of the search. With another search it
// would silently skip rows, so it is refused.

func newCursor(place, scope string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(scopeHash(scope) + " " + place))
}

func openCursor(cursor, scope string) (place string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", errCursor
	}
	hash, place, found := strings.Cut(string(text), " ")
	if !found || hash != scopeHash(scope) {
		return "", errCursor
	}
	return place, nil
}

func scopeHash(scope string) string {
	sum := sha256.Sum256([]byte(scope))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
