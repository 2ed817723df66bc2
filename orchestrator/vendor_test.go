package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shotline/client"
)

// fakeVendor keeps screenshots in memory and fails as scripted. The field shots
// has the screenshots of all creates that took effect, also of those whose answer
// was an error. It is not the sandbox: tests script the Go error of each single
// call, on a clock of their own and without HTTP.
type fakeVendor struct {
	mu       sync.Mutex
	shots    []client.Screenshot // oldest first
	creates  []client.CreateRequest
	calls    int                             // of all kinds
	answers  []func(client.Screenshot) error // one per create; after them, creates succeed
	status   client.Status                   // of new screenshots
	unlisted bool                            // listings show nothing
	lagging  string                          // id of a screenshot that listings do not show
	unfound  bool                            // searches show nothing
	odd      func(client.Screenshot) string  // returns why listings cannot read a row, or an empty text
	oddID    bool                            // the id of such a row can be read
	untagged bool                            // listings by tag match only the first tag
	costless bool                            // answers to creates contain no cost
	cached   bool                            // creates are answered with the first screenshot
	down     error                           // error of every call except create

	// These are called before the answer. If they return an error, that is the
	// answer.
	onCreate func(client.Screenshot)
	onInfo   func(id string) error
	onList   func(context.Context) error
	onSearch func(url string) error
}

// The functions below are answers of failing creates. They receive the screenshot
// that the create would make. If their error contains errNoEffect, it is not
// made.
var errNoEffect = errors.New("no effect")

func rateLimited(delay time.Duration) func(client.Screenshot) error {
	return func(client.Screenshot) error {
		return errors.Join(errNoEffect, &client.RateLimitError{Delay: delay, API: &client.APIError{Op: "create screenshot", Status: 429}})
	}
}

func refused(status int, code string) func(client.Screenshot) error {
	return func(client.Screenshot) error {
		return errors.Join(errNoEffect, &client.APIError{Op: "create screenshot", Status: status, Code: code, Message: "no"})
	}
}

func notSent(client.Screenshot) error {
	return errors.Join(errNoEffect, &client.NotSentError{Err: errors.New("connection refused")})
}

func doubtWithEffect(client.Screenshot) error {
	return &client.InDoubtError{Err: errors.New("connection reset")}
}

func doubtWithoutEffect(client.Screenshot) error {
	return errors.Join(errNoEffect, &client.InDoubtError{Err: errors.New("connection reset")})
}

func (v *fakeVendor) Create(_ context.Context, r client.CreateRequest) (client.Screenshot, error) {
	v.mu.Lock()
	v.calls++
	v.creates = append(v.creates, r)
	status := v.status
	if status == "" {
		status = client.StatusProcessing
	}
	cost := 1.0
	shot := client.Screenshot{ID: strconv.Itoa(1000 + len(v.creates)), Status: status, URL: r.URL, Tags: r.Tags, Cost: &cost}
	var err error
	if len(v.answers) > 0 {
		err = v.answers[0](shot)
		v.answers = v.answers[1:]
	}
	switch {
	case errors.Is(err, errNoEffect):
	case v.cached && len(v.shots) > 0:
		shot = v.shots[0]
	default:
		v.shots = append(v.shots, shot)
	}
	if v.costless {
		shot.Cost = nil
	}
	onCreate := v.onCreate
	v.mu.Unlock()
	if onCreate != nil {
		onCreate(shot)
	}
	if err != nil {
		return client.Screenshot{}, err
	}
	return shot, nil
}

func (v *fakeVendor) Info(_ context.Context, id string) (client.Screenshot, error) {
	if v.onInfo != nil {
		if err := v.onInfo(id); err != nil {
			return client.Screenshot{}, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if v.down != nil {
		return client.Screenshot{}, v.down
	}
	for _, shot := range v.shots {
		if shot.ID == id {
			return shot, nil
		}
	}
	return client.Screenshot{}, &client.APIError{Op: "get screenshot", Status: 404}
}

func (v *fakeVendor) List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error) {
	if v.onList != nil {
		if err := v.onList(ctx); err != nil {
			return nil, err
		}
	}
	return v.page(o.Offset, o.Limit, func(shot *client.Screenshot) bool {
		if v.unlisted || shot.ID == v.lagging || o.Status != "" && shot.Status != o.Status {
			return false
		}
		if v.untagged {
			return o.Tag == "" || shot.Tags[0] == o.Tag
		}
		return o.Tag == "" || slices.Contains(shot.Tags, o.Tag)
	})
}

func (v *fakeVendor) Search(_ context.Context, o client.SearchOptions) ([]client.Screenshot, error) {
	if v.onSearch != nil {
		if err := v.onSearch(o.URL); err != nil {
			return nil, err
		}
	}
	return v.page(o.Offset, o.Limit, func(shot *client.Screenshot) bool { return !v.unfound && strings.Contains(shot.URL, o.URL) })
}

func (v *fakeVendor) page(offset, limit int, wanted func(*client.Screenshot) bool) ([]client.Screenshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if v.down != nil {
		return nil, v.down
	}
	var found []client.Screenshot
	for i := len(v.shots) - 1; i >= 0 && len(found) < limit; i-- {
		if !wanted(&v.shots[i]) {
			continue
		}
		if offset--; offset < 0 {
			found = append(found, v.row(v.shots[i]))
		}
	}
	return found, nil
}

// row returns a screenshot as a listing shows it.
func (v *fakeVendor) row(shot client.Screenshot) client.Screenshot {
	if v.odd == nil {
		return shot
	}
	reason := v.odd(shot)
	if reason == "" {
		return shot
	}
	row := map[string]any{"url": shot.URL, "tag": shot.Tags}
	if v.oddID {
		row["id"] = shot.ID
	}
	raw, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	return client.Screenshot{ReadError: &client.RowError{Row: 1, Rows: 1, Raw: raw, Reason: reason}}
}

// end sets the status of the screenshots with these ids, or of all if there are
// none.
func (v *fakeVendor) end(status client.Status, ids ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.shots {
		if len(ids) == 0 || slices.Contains(ids, v.shots[i].ID) {
			v.shots[i].Status = status
			if status == client.StatusError {
				v.shots[i].Error = "the page did not respond"
			}
		}
	}
}

func (v *fakeVendor) script(answers ...func(client.Screenshot) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers = append(v.answers, answers...)
}

func (v *fakeVendor) sent() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.creates)
}

// fakeQueue records the enqueued tasks. It fails while down is set.
type fakeQueue struct {
	mu   sync.Mutex
	down bool
	ids  []string
	at   time.Time // start of the last submission
	lag  time.Duration
}

func (q *fakeQueue) add(format string, args ...any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return errors.New("queue is unavailable")
	}
	if id := fmt.Sprintf(format, args...); !slices.Contains(q.ids, id) {
		q.ids = append(q.ids, id)
	}
	return nil
}

func (q *fakeQueue) EnqueueSubmit(_ context.Context, batch string, generation int64, at time.Time) error {
	q.mu.Lock()
	q.at = at
	q.mu.Unlock()
	return q.add("submit %s %d", batch, generation)
}

func (q *fakeQueue) EnqueueSubmits(_ context.Context, batches []string, generation int64) error {
	return q.add("submit %s %d", strings.Join(batches, " "), generation)
}

func (q *fakeQueue) EnqueueSummaries(_ context.Context, batches []string, generation int64) error {
	return q.add("summaries %s %d", strings.Join(batches, " "), generation)
}

func (q *fakeQueue) EnqueueDeadlines(_ context.Context, bucket time.Time, generation int64) error {
	return q.add("deadlines %s %d", bucket.Format(time.RFC3339), generation)
}

func (q *fakeQueue) EnqueueSummary(_ context.Context, batch string, revision int, generation int64) error {
	return q.add("summary %s %d %d", batch, revision, generation)
}

func (q *fakeQueue) Lag(context.Context) (time.Duration, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lag, nil
}

func (q *fakeQueue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := q.ids
	q.ids = nil
	return ids
}

// fakeClock shows a fixed time until a test advances it. Sleep advances it, too.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.advance(d)
	return ctx.Err()
}
