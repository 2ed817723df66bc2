package summary

import (
	"context"
	"errors"
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
	// Image is the address of the image on the page: a slash-separated path
	// relative to the page, a data:image URI, an http or https address, or empty if
	// there is no image.
	Image string
	// Original is the row that a duplicate repeats.
	Original *jobs.Job
}

// cardsPage is the number of rows that Cards reads at a time.
const cardsPage = 100

// Cards returns an iterator over the rows of a batch for Sheet.Next. It reads the
// rows in pages. The function image returns the address of a done job's image,
// see Card.Image; it can be nil. The iterator is not safe for concurrent use.
func Cards(ctx context.Context, src RowSource, batchID string, image func(jobs.Job) (string, error)) func() (Card, error) {
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
		if row.State == jobs.Done && image != nil {
			link, err := image(row.Job)
			if err != nil {
				return Card{}, fmt.Errorf("image of %s: %w", row.ID, err)
			}
			card.Image = link
		}
		return card, nil
	}
}

// cardView is the data of a card for the template.
type cardView struct {
	Row           int64
	Place         string // location of the row for users
	Link          string // the captured page; empty if it is not a web address
	Host, Rest    string // the address in two parts, the first one emphasized
	Address       string
	Picture       template.URL // empty if there is no image
	Full          template.URL // target of the link on the image
	State, Class  string
	Note          string // shown instead of an image
	Took          string
	Late          bool
	DuplicateOf   int64
	DuplicateText string
	OriginalPlace string
}

func newCardView(c Card) cardView {
	j := c.Job
	v := cardView{Row: j.ID.Row, Place: Place(j.ID.Row, j.Line), Address: address(j), State: label(j.State), Class: string(j.State), Late: j.Late}
	v.Host = v.Address
	if u, ok := webAddress(j.URL); ok {
		u.User = nil // do not show a password
		v.Link, v.Address = u.String(), u.String()
		v.Host, v.Rest = u.Host, readablePath(u)
	}
	v.Picture = imageURL(c.Image)
	v.Full = v.Picture
	if _, ok := webAddress(j.ImageURL); ok {
		v.Full = template.URL(j.ImageURL) // #nosec G203 -- http or https, escaped as an attribute
	}
	if j.State == jobs.Done && !j.SubmittedAt.IsZero() && !j.ClosedAt.Before(j.SubmittedAt) {
		v.Took = span(j.ClosedAt.Sub(j.SubmittedAt).Seconds())
	}
	if j.State == jobs.Duplicate {
		v.DuplicateOf, v.OriginalPlace = j.DuplicateOf, Place(j.DuplicateOf, 0)
		if c.Original != nil {
			v.OriginalPlace = Place(j.DuplicateOf, c.Original.Line)
			v.DuplicateText = label(c.Original.State)
		}
		return v
	}
	v.Note = note(j)
	return v
}

// address returns the text that identifies a row: its URL or, without one, the
// cells of the input.
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

// note returns why there is no image.
func note(j jobs.Job) string {
	text := PlainLine(j.Error, noteWidth)
	switch {
	case text != "":
		return text
	case j.State.Open():
		return "not finished yet"
	case j.State == jobs.Done:
		return "image not available"
	case j.State == jobs.TimedOut:
		return "no result in time"
	default:
		return "no reason given"
	}
}

// readablePath returns the part of a URL after the host without percent-encoding
// in the path.
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

// percentSign matches an escape, or a percent sign that is none.
var percentSign = regexp.MustCompile(`%([0-9A-Fa-f]{2})?`)

// webAddress parses an http or https address. Browsers accept a percent sign that
// encodes nothing, as in /50%-off; here it is read as %25.
func webAddress(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	var escape url.EscapeError
	if errors.As(err, &escape) {
		u, err = url.Parse(percentSign.ReplaceAllStringFunc(text, func(match string) string {
			if match == "%" {
				return "%25"
			}
			return match
		}))
	}
	return u, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// imageData matches data URIs of images that browsers only draw. It does not
// include SVG, which can contain scripts.
var imageData = regexp.MustCompile(`^data:image/(png|jpeg|webp|gif|avif);base64,[A-Za-z0-9+/]+=*$`)

// imageURL returns the address of an image if it is safe in a page, otherwise "".
// It marks the result as safe, because html/template would refuse data URIs.
func imageURL(link string) template.URL {
	_, web := webAddress(link)
	switch {
	case link == "" || strings.ContainsAny(link, "\\\x00"):
		return ""
	case web, imageData.MatchString(link):
		return template.URL(link) // #nosec G203 -- checked above
	case strings.HasPrefix(link, "/") || strings.HasPrefix(link, "data:"):
		return ""
	}
	// As a path, javascript:x becomes ./javascript:x, a file that does not exist.
	escaped := (&url.URL{Path: path.Clean(link)}).String()
	return template.URL(escaped) // #nosec G203 -- a relative path
}
