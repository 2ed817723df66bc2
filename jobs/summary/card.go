package summary

import (
	"context"
	"fmt"
	"html/template"
	"iter"
	"net/url"
	"path"
	"regexp"
	"strings"

	"shotline/client/pageurl"
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

// cardsPage is the number of rows that cards reads at a time.
const cardsPage = 500

// cards returns the rows of a batch after the given row, except those that wanted
// does not select. It reads the rows in pages. See Sheet.Image.
func cards(ctx context.Context, src RowSource, batchID string, after int64, wanted func(jobs.Job) bool, image func(jobs.Job) (string, error)) iter.Seq2[Card, error] {
	return func(yield func(Card, error) bool) {
		for {
			rows, err := src.Rows(ctx, batchID, after, cardsPage)
			if err != nil {
				yield(Card{}, fmt.Errorf("rows after %d: %w", after, err))
				return
			}
			for _, row := range rows {
				if !wanted(row.Job) {
					continue
				}
				card := Card{Job: row.Job, Original: row.Original}
				if row.State == jobs.Done && image != nil {
					if card.Image, err = image(row.Job); err != nil {
						err = fmt.Errorf("image of %s: %w", row.ID, err)
					}
				}
				if !yield(card, err) || err != nil {
					return
				}
			}
			if len(rows) < cardsPage {
				return
			}
			after = rows[len(rows)-1].ID.Row
		}
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
	OriginalLink  string
	Captions      []captionView
}

// captionView is a value of the user's with its name.
type captionView struct{ Name, Value string }

// cardStyle is what the cards of a sheet have in common.
type cardStyle struct {
	captions []caption
	rowLink  func(row int64) string // address of the card of a row
	original func(address string) bool
}

func newCardStyle(sheet Sheet) cardStyle {
	return cardStyle{original: sheet.Originals, rowLink: func(row int64) string {
		anchor := fmt.Sprintf("#row-%d", row)
		if sheet.Page == 0 || pageOf(row) == sheet.Page {
			return anchor
		}
		return sheet.PageLink(pageOf(row)) + anchor
	}}
}

func (c cardStyle) view(card Card) cardView {
	v := newCardView(card)
	if v.Picture != "" && c.original != nil && c.original(card.Image) {
		v.Full = v.Picture
	}
	if v.DuplicateOf > 0 {
		v.OriginalLink = c.rowLink(v.DuplicateOf)
	}
	for _, caption := range c.captions {
		v.Captions = append(v.Captions, captionView{caption.name, caption.value(card.Job)})
	}
	return v
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

// webAddress parses an http or https address.
func webAddress(text string) (*url.URL, bool) {
	u, err := pageurl.Parse(text)
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
