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
)

// order is what a create asked for; it never changes.
type order struct {
	render    RenderRequest
	tags      []string
	apps      []app
	country   string
	region    string
	language  string
	timezone  string
	html      bool
	pdf       bool
	video     bool
	cost      float64
	createdAt time.Time
	fate      *fate // what faults do to it; nil when none are set
}

// screenshot is one entry in the books. Everything but id and order is
// guarded by the books' lock; copies handed out are the reader's own.
type screenshot struct {
	id int64
	order

	status     string
	err        string
	finishedAt time.Time
	result     Rendering // without its data

	deliveries []*delivery
	undecided  int // deliveries that are neither answered 2xx nor given up
}

// format is that of the first picture, empty when there is none.
func (r Rendering) format() string {
	if len(r.Shots) == 0 {
		return ""
	}
	return r.Shots[0].Format
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
	Country    *string  `json:"country"`
	Region     *string  `json:"region"`
	Language   *string  `json:"language"`
	Timezone   *string  `json:"timezone"`
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

// object renders the screenshot for an API answer. Only pictures are
// captured, so has_html, has_pdf and has_video stay false.
func (s *screenshot) object() object {
	return object{
		ID:         s.id,
		Status:     s.status,
		URL:        s.render.URL,
		FinalURL:   known(s.result.FinalURL),
		Error:      known(s.err),
		Cost:       s.cost,
		Tag:        s.tags,
		CreatedAt:  stamp(s.createdAt),
		FinishedAt: known(stamp(s.finishedAt)),
		Country:    known(s.country),
		Region:     known(s.region),
		Language:   known(s.language),
		Timezone:   known(s.timezone),
		Size:       s.size(),
		Format:     s.render.Format,
		Shots:      1,
		HTML:       s.html,
		PDF:        s.pdf,
		Video:      s.video,
		StorageURL: s.storageURL(),
	}
}

// known turns the empty string into JSON's null.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// stamp writes a time as RFC 3339 in UTC; the zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
