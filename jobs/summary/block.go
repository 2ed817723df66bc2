package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/jobs"
)

const (
	// chunkRows is the number of cards in a block. A block has about 400 kB.
	chunkRows = 500
	// textRows is the number of rows whose texts for the search are in one block.
	textRows = 5000
	// maxText is the maximum length of the text of one row, in characters.
	maxText = 1000
)

// otherReason is the code of reasons that are not in the summary.
const otherReason = 'z'

// noReason is the code of a row without a reason.
const noReason = '0'

// reasonCode returns the character that stands for a reason of the summary.
func reasonCode(i int) byte { return "123456789abcdefghijklmnopqrstuvwxy"[i] }

// stateCode returns the character that stands for a state.
func stateCode(i int) byte { return byte('a' + i) }

// index is what the script of the page knows of all rows.
type index struct {
	States      string            `json:"states"`      // a code for each row
	Reasons     string            `json:"reasons"`     // a code for each row
	Jumps       [][2]int64        `json:"jumps"`       // positions and numbers of rows that do not follow their predecessor
	ReasonTexts map[string]string `json:"reasonTexts"` // by code
	Flawed      string            `json:"flawed"`      // codes of states
	ChunkRows   int               `json:"chunkRows"`
	TextRows    int               `json:"textRows"`
	Prefix      string            `json:"prefix"` // of the address of a block
	Long        bool              `json:"long"`
	FailedFirst bool              `json:"failedFirst"`
}

// writeBlocks writes the index, the texts for the search, and, if the page does
// not have all cards, the cards.
func (p *pageWriter) writeBlocks() error {
	x := index{
		Jumps: [][2]int64{}, ReasonTexts: map[string]string{}, ChunkRows: chunkRows, TextRows: textRows,
		Prefix: p.fileLink(), Long: p.long(), FailedFirst: p.FailedFirst,
	}
	codes := map[jobs.State]byte{}
	for i, state := range jobs.States {
		codes[state] = stateCode(i)
		if flawed(state) {
			x.Flawed += string(stateCode(i))
		}
	}
	reasons := map[reasonKey]byte{}
	for i, r := range p.s.Reasons {
		reasons[reasonKey{r.State, r.Error}] = reasonCode(i)
		x.ReasonTexts[string(reasonCode(i))] = PlainLine(reasonText(r.Error), 120)
	}
	var states, reasonCodes []byte
	cardBlock, textBlock := &block{kind: "rows", size: chunkRows}, &block{kind: "text", size: textRows}
	next := int64(1)
	every := func(jobs.Job) bool { return true }
	var html bytes.Buffer
	for card, err := range cards(p.ctx, p.src, p.s.BatchID, 0, every, p.Image) {
		if err != nil {
			return err
		}
		j := card.Job
		if j.ID.Row != next {
			x.Jumps = append(x.Jumps, [2]int64{int64(len(states)), j.ID.Row})
		}
		next = j.ID.Row + 1
		states = append(states, codes[j.State])
		code := byte(noReason)
		if flawed(j.State) {
			known := false
			if code, known = reasons[reasonKey{j.State, j.Error}]; !known {
				code = otherReason
			}
		}
		reasonCodes = append(reasonCodes, code)
		view := p.style.view(card)
		if err := p.add(textBlock, view.text()); err != nil {
			return err
		}
		if !x.Long {
			continue
		}
		html.Reset()
		if err := sheetTemplate.ExecuteTemplate(&html, "card", view); err != nil {
			return err
		}
		if err := p.add(cardBlock, strings.TrimSpace(html.String())); err != nil {
			return err
		}
	}
	for _, b := range []*block{textBlock, cardBlock} {
		if err := p.flush(b); err != nil {
			return err
		}
	}
	x.States, x.Reasons = string(states), string(reasonCodes)
	return p.element("index", x)
}

type reasonKey struct {
	state jobs.State
	text  string
}

// block collects texts that the script of the page reads together.
type block struct {
	kind  string
	size  int
	n     int // number of the block
	texts []string
}

func (p *pageWriter) add(b *block, text string) error {
	b.texts = append(b.texts, text)
	if len(b.texts) < b.size {
		return nil
	}
	return p.flush(b)
}

// flush writes a block into a file or into the page.
func (p *pageWriter) flush(b *block) error {
	if len(b.texts) == 0 {
		return nil
	}
	name := fmt.Sprintf("%s-%d", b.kind, b.n)
	texts := b.texts
	b.n++
	defer func() {
		clear(texts)
		b.texts = slices.Grow(texts[:0], 0)
	}()
	if p.WriteFile == nil || !p.long() {
		return p.element(name, texts)
	}
	return p.WriteFile(p.FilePrefix+name+".js", func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "sheetBlock(%q,", name); err != nil {
			return err
		}
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false) // it is not part of HTML
		if err := out.Encode(texts); err != nil {
			return err
		}
		_, err := io.WriteString(w, ");\n")
		return err
	})
}

// element writes data into the page as an element that is not executed.
func (p *pageWriter) element(id string, data any) error {
	text, err := json.Marshal(data) // escapes <, > and &
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "<script type=\"application/json\" id=\"%s\">%s</script>\n", id, text)
	return err
}

// text returns the text that the search finds a row by: what its card displays,
// in lower case.
func (v cardView) text() string {
	parts := []string{v.Place, v.Address}
	if !strings.Contains(v.Address, v.Rest) {
		parts = append(parts, v.Rest)
	}
	for _, c := range v.Captions {
		parts = append(parts, c.Value)
	}
	if v.Picture == "" {
		parts = append(parts, v.Note)
	}
	return strings.ToLower(PlainLine(strings.Join(parts, " "), maxText))
}
