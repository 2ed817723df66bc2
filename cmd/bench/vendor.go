package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"shotline/jobs"
)

const (
	largestPage  = 100 // rows of the largest page of a listing; a larger limit is refused
	ordinaryPage = 20

	retryAfter = 1 // seconds, in every 429
)

// behavior is how the vendor responds to creates. The zero value answers each one
// at once and sends no webhook.
type behavior struct {
	takes   time.Duration // from a create to its response
	allowed float64       // creates per second; if there are more, they are answered 429; 0 means no limit
	refused float64       // part of the creates that are answered 429 at random, at any rate
	hook    string        // URL that the webhook of each create is sent to, after its response
}

// vendor is a fake ScreenshotCenter. It answers only the calls that the
// measurements make, and renders nothing. It is not the sandbox: the sandbox
// checks, stores and delivers, and would use CPU time on the cores of the program
// that is measured.
type vendor struct {
	*httptest.Server
	webhooks *webhookSender

	mu sync.Mutex
	behavior
	allow  *rate.Limiter // nil if there is no limit
	random *rand.Rand
	record
}

// record holds the counts and screenshots since the last call of behave.
type record struct {
	began    time.Time // when the first create arrived
	calls    int       // all requests
	creates  int       // creates among the calls
	limited  int       // creates that were answered 429
	shots    []shot    // in the order of their ids, which begin with 1
	byRow    map[int]int
	finished int // number of shots that are finished, from the first on
}

// shot is a screenshot as the API returns it.
type shot struct {
	ID         int      `json:"id"`
	Status     string   `json:"status"`
	URL        string   `json:"url"`
	FinalURL   *string  `json:"final_url"`
	Error      *string  `json:"error"`
	Cost       int      `json:"cost"`
	Tags       []string `json:"tag"`
	CreatedAt  string   `json:"created_at"`
	FinishedAt *string  `json:"finished_at"`
	Country    string   `json:"country"`
	Region     *string  `json:"region"`
	Language   *string  `json:"language"`
	Timezone   *string  `json:"timezone"`
	Size       string   `json:"size"`
	Shots      int      `json:"shots"`
	HTML       bool     `json:"html"`
	PDF        bool     `json:"pdf"`
	Video      bool     `json:"video"`
	HasHTML    bool     `json:"has_html"`
	HasPDF     bool     `json:"has_pdf"`
	HasVideo   bool     `json:"has_video"`
}

func newVendor() *vendor {
	v := &vendor{webhooks: newWebhookSender()}
	v.behave(behavior{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /screenshot/create", v.create)
	mux.HandleFunc("GET /screenshot/list", v.list)
	mux.HandleFunc("GET /screenshot/thumbnail", thumbnail)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.calls++
		v.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	return v
}

// behave sets the behavior and begins a new record.
func (v *vendor) behave(m behavior) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.behavior, v.allow = m, nil
	v.random = rand.New(rand.NewPCG(1, 1)) // the same creates are refused in every run
	v.record = record{byRow: map[int]int{}}
	if m.allowed > 0 {
		v.allow = rate.NewLimiter(rate.Limit(m.allowed), max(1, int(m.allowed/10)))
	}
}

// Close returns when all webhooks have been sent.
func (v *vendor) Close() {
	v.Server.Close()
	v.webhooks.close()
}

func (v *vendor) create(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	how, fine := v.admit()
	if !fine {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		answer(w, http.StatusTooManyRequests, map[string]any{
			"success": false, "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "retry_after": retryAfter,
		})
		return
	}
	time.Sleep(how.takes)
	made := v.make(query)
	succeed(w, made)
	if how.hook != "" {
		_ = http.NewResponseController(w).Flush() // if the client has disconnected, the webhook is sent anyway
		v.webhooks.send(webhook{how.hook, made.ID, made.URL})
	}
}

// admit counts a create and reports whether it is accepted.
func (v *vendor) admit() (how behavior, fine bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.began.IsZero() {
		v.began = time.Now()
	}
	v.creates++
	if v.refused > 0 && v.random.Float64() < v.refused || v.allow != nil && !v.allow.Allow() {
		v.limited++
		return v.behavior, false
	}
	return v.behavior, true
}

// make creates the screenshot.
func (v *vendor) make(query url.Values) shot {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := shot{
		ID: len(v.shots) + 1, Status: "processing", URL: query.Get("url"), Cost: 1, Tags: query["tag"],
		CreatedAt: time.Now().UTC().Format(time.RFC3339), Country: "us", Size: "screen", Shots: 1,
	}
	v.shots = append(v.shots, s)
	for _, tag := range s.Tags {
		if id, _, ours := jobs.ParseSubmissionTag(tag); ours {
			v.byRow[int(id.Row)] = s.ID
		}
	}
	return s
}

// list returns a page of the screenshots, newest first.
func (v *vendor) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, offset, err := pageOf(query)
	if err != nil {
		answer(w, http.StatusUnprocessableEntity, map[string]any{"success": false, "error": err.Error(), "code": "VALIDATION_ERROR"})
		return
	}
	v.mu.Lock()
	page := []shot{}
	for i := len(v.shots) - 1; i >= 0 && len(page) < limit; i-- {
		s := v.shots[i]
		if i < v.finished {
			s.Status, s.FinalURL, s.FinishedAt = "finished", &s.URL, &s.CreatedAt
		}
		wanted := (query.Get("tag") == "" || slices.Contains(s.Tags, query.Get("tag"))) && (query.Get("status") == "" || query.Get("status") == s.Status)
		switch {
		case wanted && offset > 0:
			offset--
		case wanted:
			page = append(page, s)
		}
	}
	v.mu.Unlock()
	succeed(w, page)
}

// pageOf parses the limit and the offset of a listing.
func pageOf(query url.Values) (limit, offset int, err error) {
	if limit, err = numberOf(query, "limit", ordinaryPage); err != nil {
		return 0, 0, err
	}
	if limit < 1 || limit > largestPage {
		return 0, 0, fmt.Errorf("limit must be from 1 to %d", largestPage)
	}
	offset, err = numberOf(query, "offset", 0)
	return limit, max(0, offset), err
}

func numberOf(query url.Values, name string, otherwise int) (int, error) {
	if !query.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return 0, fmt.Errorf("%s must be a number", name)
	}
	return n, nil
}

// finishAll finishes all screenshots that exist, without webhooks.
func (v *vendor) finishAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.finished = len(v.shots)
}

// counts returns the record.
func (v *vendor) counts() record {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.record
}

// shot returns the id of the screenshot of a row.
func (v *vendor) shot(row int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.byRow[row]
}

func succeed(w http.ResponseWriter, data any) {
	answer(w, http.StatusOK, map[string]any{"success": true, "data": data})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has disconnected
}
