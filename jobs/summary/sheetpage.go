package summary

import (
	"fmt"

	"shotline/jobs"
	"shotline/jobs/number"
)

// pageLinks are the links between the pages of a sheet. A link is empty if there
// is no such page.
type pageLinks struct{ Rows, First, Previous, Next, Last string }

// pageOf returns the page that has a row.
func pageOf(row int64) int { return int((max(row, 1)-1)/PageRows) + 1 }

// writePart writes a page with a part of the rows.
func (p *pageWriter) writePart() error {
	links := p.newPageLinks()
	h := p.newHead()
	h.Pages = &links
	if err := p.execute("head", h); err != nil {
		return err
	}
	every := func(jobs.Job) bool { return true }
	for card, err := range cards(p.ctx, p.src, p.s.BatchID, int64(p.Page-1)*PageRows, every, p.Image) {
		if err != nil {
			return err
		}
		if pageOf(card.Job.ID.Row) != p.Page {
			break
		}
		if err := p.execute("card", p.style.view(card)); err != nil {
			return err
		}
	}
	if err := p.execute("grid-end", nil); err != nil {
		return err
	}
	f := p.newFoot()
	f.Pages = &links
	return p.execute("foot", f)
}

func (p *pageWriter) newPageLinks() pageLinks {
	last := pageOf(p.s.Rows)
	links := pageLinks{Rows: fmt.Sprintf("no rows on page %d of %d", p.Page, last)}
	if begin := int64(p.Page-1)*PageRows + 1; begin <= p.s.Rows {
		links.Rows = fmt.Sprintf("rows %s to %s of %s", number.Grouped(begin), number.Grouped(min(begin+PageRows-1, p.s.Rows)), number.Grouped(p.s.Rows))
	}
	if p.Page > 1 {
		links.First, links.Previous = p.PageLink(1), p.PageLink(min(p.Page-1, last))
	}
	if p.Page < last {
		links.Next, links.Last = p.PageLink(p.Page+1), p.PageLink(last)
	}
	return links
}
