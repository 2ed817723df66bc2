package torture

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// kind determines how a row must end.
type kind string

const (
	good      kind = "good"      // a page that can be captured
	broken    kind = "broken"    // a page that cannot be captured
	refused   kind = "refused"   // the vendor refuses the create
	rejected  kind = "rejected"  // not a URL
	duplicate kind = "duplicate" // equal to an earlier row
)

// storedScript is the name of a stored script. The vendor refuses it, because the
// sandbox stores no scripts.
const storedScript = "a-stored-script"

// row is a line of a generated file.
type row struct {
	kind     kind
	url      string
	size     string
	original int // of a duplicate: the number of the row that it repeats, from 1
}

// batch is a generated file that was submitted.
type batch struct {
	tag  string
	rows []row

	id          string // empty if not known yet
	killed      bool   // its import was killed
	single      bool   // a single job, created over HTTP
	hasCallback bool   // it has a callback URL
	// modified is set if jobs of the batch might have been canceled or retried.
	modified bool
}

// inputs is the test's own record of everything that was submitted.
type inputs struct {
	mu      sync.Mutex
	batches []*batch
}

// generate generates a file of n rows.
func (in *inputs) generate(random *rand.Rand, n int) *batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	file := &batch{tag: fmt.Sprintf("file-%d", len(in.batches)+1)}
	for i := range n {
		file.rows = append(file.rows, randomRow(random, file, i))
	}
	in.batches = append(in.batches, file)
	return file
}

func randomRow(random *rand.Rand, b *batch, i int) row {
	r := row{kind: good, url: fmt.Sprintf("https://shop.shotline.test/%s/%d", b.tag, i+1)}
	if random.IntN(4) == 0 {
		r.size = "page"
	}
	switch n := random.IntN(100); {
	case n < 5:
		r.kind, r.url = broken, fmt.Sprintf("https://broken.shotline.test/%s/%d", b.tag, i+1)
	case n < 8:
		r.kind = refused
	case n < 12:
		r.kind, r.url = rejected, "no address at all"
	case n < 20 && i > 0:
		original := random.IntN(i)
		if b.rows[original].kind == good {
			r, r.kind, r.original = b.rows[original], duplicate, original+1
		}
	}
	return r
}

// csv returns rows from up to but not including to, counted from 0. The header
// precedes row 0.
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

// accepted sets the id of a batch that was accepted.
func (in *inputs) accepted(file *batch, id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	file.id = id
}

// any returns a random accepted batch. The id is empty if there is none.
func (in *inputs) any(random *rand.Rand) (id string, rows int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var known []*batch
	for _, file := range in.batches {
		if file.id != "" {
			known = append(known, file)
		}
	}
	if len(known) == 0 {
		return "", 0
	}
	file := known[random.IntN(len(known))]
	return file.id, len(file.rows)
}

// of returns the batch with this id, or nil if it is not known. It does not lock:
// the caller must make sure that no actor runs.
func (in *inputs) of(id string) *batch {
	for _, file := range in.batches {
		if file.id == id {
			return file
		}
	}
	return nil
}
