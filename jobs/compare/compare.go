package compare

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"golang.org/x/sync/errgroup"

	"shotline/jobs"
)

// Source reads batches. Every jobs.Reader implements it.
type Source interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error)
}

// Kind is a way in which a row differs.
type Kind string

// The kinds of changes, in the order of their names in reports.
const (
	OnlyA       Kind = "only_a" // the row is only in the first batch
	OnlyB       Kind = "only_b"
	State       Kind = "state"
	Picture     Kind = "picture"
	FinalURL    Kind = "final_url" // of the page, after redirects
	Title       Kind = "title"     // of the page
	Cost        Kind = "cost"
	NotCompared Kind = "not_compared" // pictures or pages could not be compared
)

// Kinds lists all kinds.
var Kinds = []Kind{OnlyA, OnlyB, State, Picture, FinalURL, Title, Cost, NotCompared}

// Looker compares what two screenshots show. Prepare is called for pairs in the
// order of the first batch's rows. The functions that it returns are called
// several at a time. An error concerns all pairs.
type Looker interface {
	Prepare(ctx context.Context, a, b jobs.Job) (func(context.Context) (Look, error), error)
}

// Look is what two screenshots show.
type Look struct {
	Changed    bool    `json:"changed,omitempty"` // more of the picture than allowed
	Share      float64 `json:"share,omitempty"`   // of the pixels that differ, from 0 to 1
	Pixels     int64   `json:"pixels,omitempty"`  // that differ
	A          Shown   `json:"a,omitzero"`
	B          Shown   `json:"b,omitzero"`
	Difference string  `json:"difference,omitempty"` // address of the picture of the difference
	Reason     string  `json:"reason,omitempty"`     // why something could not be compared; empty: nothing
}

// Shown is what one screenshot shows. Texts are empty if they are not known.
type Shown struct {
	Image    string `json:"image,omitempty"` // address
	Width    int    `json:"width,omitempty"` // of the picture in pixels; 0: not known
	Height   int    `json:"height,omitempty"`
	FinalURL string `json:"final_url,omitempty"`
	Title    string `json:"title,omitempty"`
}

// kinds returns the changes of a look.
func (l Look) kinds() (k kindSet) {
	if l.Changed {
		k |= setOf(Picture)
	}
	if l.A.FinalURL != "" && l.B.FinalURL != "" && l.A.FinalURL != l.B.FinalURL {
		k |= setOf(FinalURL)
	}
	if l.A.Title != "" && l.B.Title != "" && l.A.Title != l.B.Title {
		k |= setOf(Title)
	}
	if l.Reason != "" {
		k |= setOf(NotCompared)
	}
	return k
}

// Options say how batches are compared.
type Options struct {
	By       string // column, or field of metadata, that identifies a row; empty: its URL and its own parameters
	Looker   Looker // nil: neither pictures nor pages are compared
	Parallel int    // pairs that are looked at at once; 0: 1
	TempDir  string // of a temporary file; empty: os.TempDir
	// Progress is called with the number of pairs that were looked at, if it is not
	// nil.
	Progress func(n, of int64)
}

// Counts are the rows of two batches by how they differ.
type Counts struct {
	RowsA, RowsB           int64
	DuplicatesA            int64 // that are not compared
	DuplicatesB            int64
	Matched, Same, Changed int64 // pairs of rows
	Kinds                  map[Kind]int64
}

// Differ reports whether anything differs, or could not be compared.
func (c Counts) Differ() bool { return len(c.Kinds) > 0 }

// kindSet is a set of kinds.
type kindSet uint8

func setOf(k Kind) kindSet { return 1 << slices.Index(Kinds, k) }

func (s kindSet) has(k Kind) bool { return s&setOf(k) != 0 }

func (s kindSet) kinds() (all []Kind) {
	for _, k := range Kinds {
		if s.has(k) {
			all = append(all, k)
		}
	}
	return all
}

// pair is a pair of rows that differ, or a row without a counterpart.
type pair struct {
	look  int64 // place in the temporary file; -1: none
	score float32
	a, b  uint32 // rows; 0: none
	kinds kindSet
}

// Run compares two batches. The caller closes the report.
func Run(ctx context.Context, src Source, a, b jobs.Batch, o Options) (*Report, error) {
	indexA, err := readIndex(ctx, src, a, o.By)
	if err != nil {
		return nil, err
	}
	indexB, err := readIndex(ctx, src, b, o.By)
	if err != nil {
		return nil, err
	}
	r := &Report{src: src, A: a, B: b, By: o.By, OtherParams: otherParams(a.Params, b.Params)}
	r.Counts = Counts{RowsA: indexA.rows, RowsB: indexB.rows, DuplicatesA: indexA.duplicates, DuplicatesB: indexB.duplicates, Kinds: map[Kind]int64{}}
	r.match(indexA.entries, indexB.entries, o.Looker != nil)
	if o.Looker != nil {
		if r.looks, err = newLooks(o.TempDir); err != nil {
			return nil, err
		}
		if err := r.look(ctx, o); err != nil {
			r.Close()
			return nil, err
		}
	}
	r.finish()
	return r, nil
}

// match makes pairs of the rows with the same key, in their order. It keeps pairs
// that differ and, if all is true, those whose screenshots can be compared.
func (r *Report) match(a, b []entry, all bool) {
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = bytes.Compare(a[0].key[:], b[0].key[:])
		}
		switch {
		case order < 0:
			r.pairs = append(r.pairs, pair{look: -1, a: a[0].row, kinds: setOf(OnlyA)})
			a = a[1:]
			continue
		case order > 0:
			r.pairs = append(r.pairs, pair{look: -1, b: b[0].row, kinds: setOf(OnlyB)})
			b = b[1:]
			continue
		}
		p := pair{look: -1, a: a[0].row, b: b[0].row}
		if a[0].state != b[0].state {
			p.kinds |= setOf(State)
			p.score = stateScore(jobs.States[a[0].state], jobs.States[b[0].state])
		}
		if a[0].cost != b[0].cost && a[0].cost != unknownCost && b[0].cost != unknownCost {
			p.kinds |= setOf(Cost)
		}
		r.Counts.Matched++
		done := uint8(slices.Index(jobs.States, jobs.Done))
		if p.kinds != 0 || all && a[0].state == done && b[0].state == done {
			r.pairs = append(r.pairs, p)
		}
		a, b = a[1:], b[1:]
	}
	slices.SortFunc(r.pairs, byRow)
}

func byRow(p, q pair) int {
	if p.a == 0 || q.a == 0 { // rows that are only in the second batch come last
		return cmp.Or(cmp.Compare(q.a, p.a), cmp.Compare(p.b, q.b))
	}
	return cmp.Compare(p.a, q.a)
}

// stateScore says how much another state changes a row: the loss of an image is
// the worst.
func stateScore(a, b jobs.State) float32 {
	switch {
	case a == jobs.Done:
		return 5
	case b == jobs.Done:
		return 4
	}
	return 3.5
}

// scoreOf says how much a pair has changed. A picture counts from 2 to 3.
func scoreOf(p pair, share float64) float32 {
	score := p.score
	for kind, least := range map[Kind]float32{Picture: 2 + float32(share), Title: 1.6, FinalURL: 1.7, Cost: 1.5, NotCompared: 1, OnlyA: 0.6, OnlyB: 0.5} {
		if p.kinds.has(kind) {
			score = max(score, least)
		}
	}
	return score
}

// look compares the screenshots of pairs that are done in both batches.
func (r *Report) look(ctx context.Context, o Options) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(o.Parallel, 1))
	rowsA, rowsB := newRowReader(r.src, r.A.ID), newRowReader(r.src, r.B.ID)
	err := func() error {
		for i := range r.pairs {
			p := &r.pairs[i]
			if p.a == 0 || p.b == 0 || p.kinds.has(State) {
				r.lookedAt(o, p, nil)
				continue
			}
			a, err := rowsA.job(ctx, p.a)
			if err != nil {
				return err
			}
			b, err := rowsB.job(ctx, p.b)
			if err != nil {
				return err
			}
			if a.State != jobs.Done || b.State != jobs.Done {
				r.lookedAt(o, p, nil)
				continue
			}
			do, err := o.Looker.Prepare(ctx, a, b)
			if err != nil {
				return err
			}
			group.Go(func() error {
				look, err := do(ctx)
				if err != nil {
					return err
				}
				return r.lookedAt(o, p, &look)
			})
		}
		return nil
	}()
	// An error of a worker cancels the reading, so it comes first.
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// lookedAt records the look of a pair, and reports the progress.
func (r *Report) lookedAt(o Options, p *pair, look *Look) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked++
	if o.Progress != nil {
		o.Progress(r.looked, int64(len(r.pairs)))
	}
	if look == nil {
		return nil
	}
	p.kinds |= look.kinds()
	p.score = scoreOf(*p, look.Share)
	if p.kinds == 0 {
		return nil
	}
	var err error
	p.look, err = r.looks.add(*look)
	return err
}

// finish counts and sorts the pairs, and forgets those that are the same.
func (r *Report) finish() {
	r.pairs = slices.DeleteFunc(r.pairs, func(p pair) bool { return p.kinds == 0 })
	for i := range r.pairs {
		p := &r.pairs[i]
		if p.look < 0 {
			p.score = scoreOf(*p, 0)
		}
		for _, k := range p.kinds.kinds() {
			r.Counts.Kinds[k]++
		}
		if p.a != 0 && p.b != 0 && p.kinds != setOf(NotCompared) {
			r.Counts.Changed++
		}
	}
	onlyUncompared := int64(0)
	for _, p := range r.pairs {
		if p.kinds == setOf(NotCompared) {
			onlyUncompared++
		}
	}
	r.Counts.Same = r.Counts.Matched - r.Counts.Changed - onlyUncompared
	slices.SortStableFunc(r.pairs, func(p, q pair) int { return cmp.Compare(q.score, p.score) })
}

// otherParams returns the names of the parameters of whole batches that differ.
func otherParams(a, b jobs.Params) (names []string) {
	all := maps.Clone(a)
	if all == nil {
		all = jobs.Params{}
	}
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(a[name], b[name]) {
			names = append(names, name)
		}
	}
	return names
}

// rowReader reads single rows of a batch. If they are asked for in their order, it
// reads them in pages.
type rowReader struct {
	src   Source
	batch string
	page  []jobs.Row
	last  uint32
}

func newRowReader(src Source, batch string) *rowReader { return &rowReader{src: src, batch: batch} }

// nearRows is how far the next row may be so that a page is worth reading.
const nearRows = 100

func (r *rowReader) job(ctx context.Context, row uint32) (jobs.Job, error) {
	defer func() { r.last = row }()
	at, found := slices.BinarySearchFunc(r.page, int64(row), func(r jobs.Row, row int64) int { return cmp.Compare(r.ID.Row, row) })
	if found {
		return Outcome(r.page[at]), nil
	}
	limit := 1
	if row > r.last && row-r.last <= nearRows {
		limit = rowPage / 2
	}
	var err error
	if r.page, err = r.src.Rows(ctx, r.batch, int64(row)-1, limit); err != nil {
		return jobs.Job{}, err
	}
	if len(r.page) == 0 || r.page[0].ID.Row != int64(row) {
		return jobs.Job{}, fmt.Errorf("%w: row %d of batch %s", jobs.ErrNotFound, row, r.batch)
	}
	return Outcome(r.page[0]), nil
}
