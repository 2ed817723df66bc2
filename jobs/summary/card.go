package summary

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"regexp"
	"strings"

	"shotline/jobs"
)

// Card is one row on a contact sheet.
type Card struct {
	Job jobs.Job
	// Picture is where the page finds the picture: a slash-separated path
	// relative to the page, a data:image URI, an http or https address, or
	// empty when there is none.
	Picture string
	// Original is the row that a duplicate repeats.
	Original *jobs.Job
}

// cardsPage is how many rows Cards reads at a time.
const cardsPage = 100

// Cards returns an iterator over the rows of a batch for Sheet.Next. It reads
// page by page; picture says where a done job's picture is, see Card.Picture,
// and may be nil. Not for concurrent use.
func Cards(ctx context.Context, src RowSource, batchID string, picture func(jobs.Job) (string, error)) func() (Card, error) {
	var rows []jobs.Row
	var after int64
	last := false
	return func() (Card, error) {
		if len(rows) == 0 && !last {
			page, err := src.Rows(ctx, batchID, after, cardsPage)
			if err != nil {
				return Card{}, fmt.Errorf("rows after %d: %w", after, err)
			}
			rows, last = page, len(page) < cardsPage
		}
		if len(rows) == 0 {
			return Card{}, io.EOF
		}
		row := rows[0]
		rows, after = rows[1:], row.ID.Row
		card := Card{Job: row.Job, Original: row.Original}
		if row.State == jobs.Done && picture != nil {
			where, err := picture(row.Job)
			if err != nil {
				return Card{}, fmt.Errorf("picture of %s: %w", row.ID, err)
			}
			card.Picture = where
		}
		return card, nil
	}
}

// cardView is what the template needs to know of a card.
type cardView struct {
	Row           int64
	Place         string // how people find it
	Link          string // the page that was photographed; empty when it is no web address
	Host, Rest    string // its address in two parts, the first one stressed
	Address       string
	Picture       template.URL // empty without one
	Full          template.URL // where a click on the picture leads
	State, Class  string
	Note          string // stands where the picture would
	Took          string
	Late          bool
	DuplicateOf   int64
	DuplicateText string
	OriginalPlace string
}

func newCardView(c Card) cardView {
	j := c.Job
	v := cardView{Row: j.ID.Row, Place: place(j.ID.Row, j.Line), Address: address(j), State: label(j.State), Class: string(j.State), Late: j.Late}
	v.Host = v.Address
	if u, ok := webAddress(j.URL); ok {
		u.User = nil // a password is nobody's business
		v.Link, v.Address = u.String(), u.String()
		v.Host, v.Rest = u.Host, readablePath(u)
	}
	v.Picture = pictureURL(c.Picture)
	v.Full = v.Picture
	if _, ok := webAddress(j.ImageURL); ok {
		v.Full = template.URL(j.ImageURL) // #nosec G203 -- http or https, escaped as an attribute
	}
	if j.State == jobs.Done && !j.SubmittedAt.IsZero() && !j.ClosedAt.Before(j.SubmittedAt) {
		v.Took = span(j.ClosedAt.Sub(j.SubmittedAt).Seconds())
	}
	if j.State == jobs.Duplicate {
		v.DuplicateOf, v.OriginalPlace = j.DuplicateOf, place(j.DuplicateOf, 0)
		if c.Original != nil {
			v.OriginalPlace = place(j.DuplicateOf, c.Original.Line)
			v.DuplicateText = label(c.Original.State)
		}
		return v
	}
	v.Note = note(j)
	return v
}

// address is what names a row: its URL, or what stood in the input instead.
func address(j jobs.Job) string {
	if j.URL != "" {
		return j.URL
	}
	var filled []string
	for _, cell := range j.Cells {
		if cell = strings.TrimSpace(cell); cell != "" {
			filled = append(filled, cell)
		}
	}
	if len(filled) == 0 {
		return "empty row"
	}
	return strings.Join(filled, ", ")
}

// note says why there is no picture.
func note(j jobs.Job) string {
	text := Plain(j.Error, noteWidth)
	switch {
	case text != "":
		return text
	case j.State.Open():
		return "not finished yet"
	case j.State == jobs.Done:
		return "picture not at hand"
	case j.State == jobs.TimedOut:
		return "no result in time"
	default:
		return "no reason given"
	}
}

// readablePath is what follows the host, in letters rather than in bytes.
func readablePath(u *url.URL) string {
	rest := u.Path
	if rest == "/" {
		rest = ""
	}
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	if u.Fragment != "" {
		rest += "#" + u.Fragment
	}
	return rest
}

// webAddress parses an http or https address.
func webAddress(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	return u, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// pictureData are data URIs of pictures that browsers only ever draw. SVG, which
// can hold scripts, is not among them.
var pictureData = regexp.MustCompile(`^data:image/(png|jpeg|webp|gif|avif);base64,[A-Za-z0-9+/]+=*$`)

// pictureURL vets where a picture is. html/template would refuse data URIs, so
// the result is marked as safe; what is not surely harmless gives none.
func pictureURL(where string) template.URL {
	_, web := webAddress(where)
	switch {
	case where == "" || strings.ContainsAny(where, "\\\x00"):
		return ""
	case web, pictureData.MatchString(where):
		return template.URL(where) // #nosec G203 -- vetted right here
	case strings.HasPrefix(where, "/") || strings.HasPrefix(where, "data:"):
		return ""
	}
	// As a path, javascript:x is ./javascript:x, a file that is not there.
	escaped := (&url.URL{Path: path.Clean(where)}).String()
	return template.URL(escaped) // #nosec G203 -- a relative path
}
