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
	largestPage  = 100 // of a listing; who asks for more is refused
	ordinaryPage = 20

	retryAfter = 1 // second, in every 429
)

// manner is how the vendor treats creates. The zero value answers each at once,
// and sends no webhook.
type manner struct {
	takes   time.Duration // from a create to its answer
	allowed float64       // creates a second, those beyond are answered 429; 0 is any number
	refused float64       // part of the creates that are answered 429 at any rate
	hook    string        // where the webhook of each goes once its create is answered
}

// vendor is a fake ScreenshotCenter that answers only what the measurements call,
// and renders nothing. It is not the sandbox, whose validation, ledger and delivery
// rules cost more CPU than the program that is measured on the same cores.
type vendor struct {
	*httptest.Server
	courier *courier

	mu sync.Mutex
	manner
	allow *rate.Limiter // nil for any number
	luck  *rand.Rand
	books
}

// books are what happened since the vendor began to behave as it does.
type books struct {
	began    time.Time // when the first create came
	calls    int       // of any kind
	creates  int       // of them
	limited  int       // creates that were answered 429
	shots    []shot    // in the order of their ids, which count from 1
	byRow    map[int]int
	finished int // so many of the first shots are
}

// shot is a screenshot as the API shows it.
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
	v := &vendor{courier: newCourier()}
	v.behave(manner{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /screenshot/create", v.create)
	mux.HandleFunc("GET /screenshot/list", v.list)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.calls++
		v.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	return v
}

// behave changes the manners, and begins the books anew.
func (v *vendor) behave(m manner) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.manner, v.allow = m, nil
	v.luck = rand.New(rand.NewPCG(1, 1)) // the same creates are refused in every run
	v.books = books{byRow: map[int]int{}}
	if m.allowed > 0 {
		v.allow = rate.NewLimiter(rate.Limit(m.allowed), max(1, int(m.allowed/10)))
	}
}

// Close returns when no webhook is under way any more.
func (v *vendor) Close() {
	v.Server.Close()
	v.courier.close()
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
		_ = http.NewResponseController(w).Flush() // whoever left gets the webhook all the same
		v.courier.send(webhook{how.hook, made.ID, made.URL})
	}
}

// admit counts a create, and tells whether it may go on.
func (v *vendor) admit() (how manner, fine bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.began.IsZero() {
		v.began = time.Now()
	}
	v.creates++
	if v.refused > 0 && v.luck.Float64() < v.refused || v.allow != nil && !v.allow.Allow() {
		v.limited++
		return v.manner, false
	}
	return v.manner, true
}

// make is what a create costs money for.
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

// list shows the newest first, in pages.
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

// pageOf reads which page is asked for.
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

// finishAll finishes whatever was ordered so far, without a word to anybody.
func (v *vendor) finishAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.finished = len(v.shots)
}

// tally is what the books say now.
func (v *vendor) tally() books {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.books
}

// shot is the id of the screenshot of a row.
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
	_ = json.NewEncoder(w).Encode(body) // whoever left does not need it
}
