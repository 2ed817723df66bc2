package sandbox

import (
	"strconv"
	"strings"
	"time"

	"shotline/client/pageurl"
)

// States of a screenshot in the API.
const (
	statusProcessing = "processing"
	statusFinished   = "finished"
	statusError      = "error"
	statusPending    = "pending" // only for a row of a batch that was not started
)

// order holds the options of a create. It never changes.
type order struct {
	render    RenderRequest
	tags      []string
	apps      []app
	country   string
	region    string
	video     bool
	ignored   []string // names of parameters without effect
	cost      float64
	createdAt time.Time
	plan      *faultPlan // nil if no faults are active
	batch     *batch     // nil unless this is a row of a batch
	row       int        // index in the batch, from 0
}

// webhookSource is a screenshot or batch with its webhooks. The store's lock
// guards all fields except id.
type webhookSource struct {
	id         int64
	deliveries []*delivery
	pending    int // deliveries that are neither delivered nor given up
}

// addDeliveries records deliveries. The caller must hold the lock.
func (t *webhookSource) addDeliveries(deliveries []*delivery) {
	t.deliveries = append(t.deliveries, deliveries...)
	for _, d := range deliveries {
		if d.state == deliveryWaiting {
			t.pending++
		}
	}
}

// screenshot is one screenshot in the store. The store's lock guards all fields
// except id and order. A reader owns the copy that it gets from the store.
type screenshot struct {
	webhookSource
	order

	status     string
	err        string
	finishedAt time.Time
	result     result

	deleted         bool // the API no longer finds it
	metadataDeleted bool // responses omit its metadata
	urlDeleted      bool // responses omit its URL
}

// result is a Rendering without the data of its outputs.
type result struct {
	images          []Image // without data
	hasHTML, hasPDF bool
	finalURL, title string
}

// resultOf returns r without the data of its outputs.
func resultOf(r Rendering) result {
	kept := result{hasHTML: r.HTML != nil, hasPDF: r.PDF != nil, finalURL: r.FinalURL, title: r.Title}
	for _, pic := range r.Shots {
		pic.Data = nil
		kept.images = append(kept.images, pic)
	}
	return kept
}

// formatOf returns the format of the first image, or "" if there is none.
func formatOf(images []Image) string {
	if len(images) == 0 {
		return ""
	}
	return images[0].Format
}

// shots returns the number of images, or the requested number if there are none
// yet.
func (s *screenshot) shots() int {
	if n := len(s.result.images); n > 0 {
		return n
	}
	return shotsOf(s.render)
}

// shotsOf returns the number of images that a request asks for.
func shotsOf(r RenderRequest) int {
	n := orElse(r.Images, 1)
	for _, step := range r.Steps {
		if step.Command == StepScreenshot {
			n++
		}
	}
	return n
}

// settled reports whether the screenshot has ended and none of its deliveries is
// pending.
func (s *screenshot) settled() bool {
	return s.status != statusProcessing && s.pending == 0
}

// size returns the API's value for the size option.
func (s *screenshot) size() string {
	if s.render.FullPage {
		return "page"
	}
	return "screen"
}

// storageURL returns the URL under which the first app with a path template would
// store the image. Nothing is stored there, as the scheme indicates.
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

// expand replaces the documented variables of a storage path template.
func (s *screenshot) expand(template string) string {
	domain, tag := "", ""
	if u, err := pageurl.Parse(s.render.URL); err == nil {
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

// object is a screenshot in an API response. Values that are not yet known are
// null.
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

// object returns the screenshot as an API response shows it. Videos are never
// captured.
func (s *screenshot) object() object {
	o := object{
		ID:         s.id,
		Status:     s.status,
		URL:        s.render.URL,
		FinalURL:   orNull(s.result.finalURL),
		Error:      orNull(s.err),
		Cost:       s.cost,
		Tag:        s.tags,
		CreatedAt:  apiTime(s.createdAt),
		FinishedAt: orNull(apiTime(s.finishedAt)),
		Country:    s.country,
		Region:     orNull(s.region),
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
	if s.metadataDeleted {
		o.FinalURL, o.Error, o.Region, o.Country, o.Tag, o.StorageURL = nil, nil, nil, "", []string{}, ""
	}
	if s.urlDeleted {
		o.URL, o.FinalURL, o.StorageURL = "", nil, ""
	}
	return o
}

func (o object) withStatus(status string) receipt {
	o.Status = status
	return o
}

// orNull returns a pointer to text, or nil, which is null in JSON, if text is
// empty.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// apiTime formats a time for API responses: RFC 3339 in UTC with milliseconds. It
// returns "" for the zero time.
func apiTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// webhookTime formats a time for webhooks. The vendor documents whole seconds.
func webhookTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ledgerTime formats a time for the ledger with the full precision of the clock.
func ledgerTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
