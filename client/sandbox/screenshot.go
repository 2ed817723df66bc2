package sandbox

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// States of a screenshot, as the API words them.
const (
	statusProcessing = "processing"
	statusFinished   = "finished"
	statusError      = "error"
	statusPending    = "pending" // of a batch's row that was not begun
)

// order is what a create asked for; it never changes.
type order struct {
	render    RenderRequest
	tags      []string
	apps      []app
	country   string
	region    string
	video     bool
	ignored   []string // parameters without effect
	cost      float64
	createdAt time.Time
	fate      *fate  // what faults do to it; nil when none are set
	batch     *batch // whose row it is; nil for a create of its own
	row       int    // in the batch, from 0
}

// told is what webhooks tell of: a screenshot or a batch. The books' lock guards
// all but id.
type told struct {
	id         int64
	deliveries []*delivery
	undecided  int // deliveries that are neither answered 2xx nor given up
}

// owe enters deliveries. The lock is the caller's.
func (t *told) owe(deliveries []*delivery) {
	t.deliveries = append(t.deliveries, deliveries...)
	for _, d := range deliveries {
		if d.state == deliveryWaiting {
			t.undecided++
		}
	}
}

// screenshot is one entry in the books. Everything but id and order is
// guarded by the books' lock; copies handed out are the reader's own.
type screenshot struct {
	told
	order

	status     string
	err        string
	finishedAt time.Time
	result     result

	deleted  bool // unknown to the API
	bare     bool // its metadata were deleted
	nameless bool // its address was deleted
}

// result is what is remembered of a Rendering: all but its data.
type result struct {
	pictures        []Picture // without their data
	hasHTML, hasPDF bool
	finalURL, title string
}

// resultOf drops the data of a rendering.
func resultOf(r Rendering) result {
	kept := result{hasHTML: r.HTML != nil, hasPDF: r.PDF != nil, finalURL: r.FinalURL, title: r.Title}
	for _, pic := range r.Shots {
		pic.Data = nil
		kept.pictures = append(kept.pictures, pic)
	}
	return kept
}

// formatOf is the format of the first picture, empty when there is none.
func formatOf(pictures []Picture) string {
	if len(pictures) == 0 {
		return ""
	}
	return pictures[0].Format
}

// shots is how many pictures there are or, as long as none are, were asked for.
func (s *screenshot) shots() int {
	if n := len(s.result.pictures); n > 0 {
		return n
	}
	return shotsOf(s.render)
}

// shotsOf is how many pictures a request asks for.
func shotsOf(r RenderRequest) int {
	n := orElse(r.Shots, 1)
	for _, step := range r.Steps {
		if step.Command == StepScreenshot {
			n++
		}
	}
	return n
}

// settled reports whether nothing more can happen to the screenshot.
func (s *screenshot) settled() bool {
	return s.status != statusProcessing && s.undecided == 0
}

// size is the API's word for the extent of the picture.
func (s *screenshot) size() string {
	if s.render.FullPage {
		return "page"
	}
	return "screen"
}

// storageURL is where the first app with a path template would have put the
// picture. Nothing is stored there; the scheme says so.
func (s *screenshot) storageURL() string {
	if s.status != statusFinished {
		return ""
	}
	for _, a := range s.apps {
		if a.template != "" {
			return "sandbox://" + a.id + "/" + s.expand(a.template)
		}
	}
	return ""
}

// expand fills the documented variables of a storage path template.
func (s *screenshot) expand(template string) string {
	domain, tag := "", ""
	if u, err := url.Parse(s.render.URL); err == nil {
		domain = u.Hostname()
	}
	if len(s.tags) > 0 {
		tag = s.tags[0]
	}
	at := s.createdAt.UTC()
	return strings.NewReplacer(
		"{id}", strconv.FormatInt(s.id, 10),
		"{domain}", domain,
		"{tag}", tag,
		"{yyyy}", at.Format("2006"), "{mm}", at.Format("01"), "{dd}", at.Format("02"),
		"{hh}", at.Format("15"), "{ii}", at.Format("04"), "{ss}", at.Format("05"),
	).Replace(template)
}

// object is the screenshot as the API shows it. What is not known yet is null.
type object struct {
	ID         int64    `json:"id"`
	Status     string   `json:"status"`
	URL        string   `json:"url"`
	FinalURL   *string  `json:"final_url"`
	Error      *string  `json:"error"`
	Cost       float64  `json:"cost"`
	Tag        []string `json:"tag"`
	CreatedAt  string   `json:"created_at"`
	FinishedAt *string  `json:"finished_at"`
	Country    string   `json:"country"`
	Region     *string  `json:"region"`
	Language   string   `json:"language"`
	Timezone   string   `json:"timezone"`
	Size       string   `json:"size"`
	Format     string   `json:"format"`
	Shots      int      `json:"shots"`
	HTML       bool     `json:"html"`
	PDF        bool     `json:"pdf"`
	Video      bool     `json:"video"`
	HasHTML    bool     `json:"has_html"`
	HasPDF     bool     `json:"has_pdf"`
	HasVideo   bool     `json:"has_video"`
	StorageURL string   `json:"storage_url,omitempty"`
}

// object renders the screenshot for an API answer. No video is ever captured.
func (s *screenshot) object() object {
	o := object{
		ID:         s.id,
		Status:     s.status,
		URL:        s.render.URL,
		FinalURL:   known(s.result.finalURL),
		Error:      known(s.err),
		Cost:       s.cost,
		Tag:        s.tags,
		CreatedAt:  stamp(s.createdAt),
		FinishedAt: known(stamp(s.finishedAt)),
		Country:    s.country,
		Region:     known(s.region),
		Language:   orElse(s.render.Language, defaultLanguage),
		Timezone:   orElse(s.render.Timezone, defaultTimezone),
		Size:       s.size(),
		Format:     s.render.Format,
		Shots:      s.shots(),
		HTML:       s.render.HTML,
		PDF:        s.render.PDF != nil,
		Video:      s.video,
		HasHTML:    s.result.hasHTML,
		HasPDF:     s.result.hasPDF,
		StorageURL: s.storageURL(),
	}
	if s.bare {
		o.FinalURL, o.Error, o.Region, o.Country, o.Tag, o.StorageURL = nil, nil, nil, "", []string{}, ""
	}
	if s.nameless {
		o.URL, o.FinalURL, o.StorageURL = "", nil, ""
	}
	return o
}

func (o object) withStatus(word string) receipt {
	o.Status = word
	return o
}

// known turns the empty string into JSON's null.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// stamp writes a time for an answer, as RFC 3339 in UTC with milliseconds; the
// zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// webhookStamp writes a time for webhooks, whose documents show whole seconds.
func webhookStamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// exactStamp writes a time for the ledger, with all that the clock gave.
func exactStamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
