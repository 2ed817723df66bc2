package torture

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// kind is what must become of a row.
type kind string

const (
	good      kind = "good"      // a page that can be photographed
	broken    kind = "broken"    // a page that cannot
	refused   kind = "refused"   // the vendor refuses to try
	rejected  kind = "rejected"  // no URL
	duplicate kind = "duplicate" // says the same as an earlier row
)

// storedScript is what the vendor refuses: the sandbox keeps none.
const storedScript = "a-stored-script"

// row is one line of a file, as the test wrote it.
type row struct {
	kind kind
	url  string
	size string
	twin int // of a duplicate: the row it repeats, counted from 1
}

// batch is a file that was handed in.
type batch struct {
	tag  string
	rows []row

	id     string // empty while not known
	broken bool   // its import was killed half-way
	single bool   // a job that was asked for by itself
	called bool   // it came with a URL to be called
	// handled is set when somebody cancels or retries something of it.
	handled bool
}

// book is the test's own list of what was handed in.
type book struct {
	mu      sync.Mutex
	batches []*batch
}

// write invents a file of n rows.
func (b *book) write(random *rand.Rand, n int) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := &batch{tag: fmt.Sprintf("file-%d", len(b.batches)+1)}
	for i := range n {
		one.rows = append(one.rows, inventRow(random, one, i))
	}
	b.batches = append(b.batches, one)
	return one
}

func inventRow(random *rand.Rand, b *batch, i int) row {
	r := row{kind: good, url: fmt.Sprintf("https://shop.shotline.test/%s/%d", b.tag, i+1)}
	if random.IntN(4) == 0 {
		r.size = "page"
	}
	switch dice := random.IntN(100); {
	case dice < 5:
		r.kind, r.url = broken, fmt.Sprintf("https://broken.shotline.test/%s/%d", b.tag, i+1)
	case dice < 8:
		r.kind = refused
	case dice < 12:
		r.kind, r.url = rejected, "no address at all"
	case dice < 20 && i > 0:
		twin := random.IntN(i)
		if b.rows[twin].kind == good {
			r, r.kind, r.twin = b.rows[twin], duplicate, twin+1
		}
	}
	return r
}

// csv is the file's text from row from on (0 is the first), with the header
// before the first.
func (b *batch) csv(from, to int) string {
	var text strings.Builder
	if from == 0 {
		text.WriteString("url,size,param:script,note\n")
	}
	for i, r := range b.rows[from:to] {
		script := ""
		if r.kind == refused {
			script = storedScript
		}
		fmt.Fprintf(&text, "%s,%s,%s,row %d\n", r.url, r.size, script, from+i+1)
	}
	return text.String()
}

func (b *batch) whole() io.Reader { return strings.NewReader(b.csv(0, len(b.rows))) }

// knows notes the id of a batch that was accepted.
func (b *book) knows(one *batch, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one.id = id
}

// any picks a batch that was accepted; empty when there is none.
func (b *book) any(random *rand.Rand) (id string, rows int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var known []*batch
	for _, one := range b.batches {
		if one.id != "" {
			known = append(known, one)
		}
	}
	if len(known) == 0 {
		return "", 0
	}
	one := known[random.IntN(len(known))]
	return one.id, len(one.rows)
}

// of is the batch with this id; nil when it is not known. It is for when nobody
// hands in anything any more.
func (b *book) of(id string) *batch {
	for _, one := range b.batches {
		if one.id == id {
			return one
		}
	}
	return nil
}
