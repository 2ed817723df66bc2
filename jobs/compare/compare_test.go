package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// store holds batches in memory.
type store map[string][]jobs.Job

func (s store) Batch(_ context.Context, id string) (jobs.Batch, error) {
	return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: id}, CreatedAt: noon, Counts: jobs.Counts{Rows: int64(len(s[id]))}}, nil
}

func (s store) Rows(_ context.Context, batch string, after int64, limit int) (page []jobs.Row, err error) {
	all := s[batch]
	for i := int(after); i < len(all) && len(page) < limit; i++ {
		r := jobs.Row{Job: all[i]}
		if r.DuplicateOf > 0 {
			r.Original = &all[r.DuplicateOf-1]
		}
		page = append(page, r)
	}
	return page, nil
}

// add adds a batch and returns it. Rows get numbers, lines and screenshots.
func (s store) add(id string, rows ...jobs.Job) jobs.Batch {
	for i := range rows {
		rows[i].ID, rows[i].Line = jobs.ID{Batch: id, Row: int64(i + 1)}, i+2
		if rows[i].State == jobs.Done {
			rows[i].ScreenshotID = fmt.Sprintf("%s%d", id, i+1)
		}
	}
	s[id] = rows
	b, _ := s.Batch(context.Background(), id)
	return b
}

func done(url string) jobs.Job { return jobs.Job{URL: url, State: jobs.Done} }

func failed(url, reason string) jobs.Job {
	return jobs.Job{URL: url, State: jobs.Failed, Error: reason}
}

func costing(j jobs.Job, credits float64) jobs.Job {
	j.Cost = &credits
	return j
}

func with(j jobs.Job, change func(*jobs.Job)) jobs.Job {
	change(&j)
	return j
}

// looker has the looks of some URLs.
type looker struct {
	looks map[string]Look
	err   error
}

func (l looker) Prepare(_ context.Context, a, b jobs.Job) (func(context.Context) (Look, error), error) {
	if a.State != jobs.Done || b.State != jobs.Done {
		return nil, errors.New("a pair that is not done")
	}
	return func(context.Context) (Look, error) { return l.looks[b.URL], l.err }, nil
}

func run(t *testing.T, s store, a, b jobs.Batch, o Options) *Report {
	t.Helper()
	o.TempDir = t.TempDir()
	r, err := Run(t.Context(), s, a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// changes returns the changes of a report as texts.
func changes(t *testing.T, r *Report) (all []string) {
	t.Helper()
	for c, err := range r.Changes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows := ""
		for _, j := range []*jobs.Job{c.A, c.B} {
			if rows += "/"; j != nil {
				rows += fmt.Sprint(j.ID.Row)
			}
		}
		all = append(all, fmt.Sprint(rows[1:], " ", c.Kinds))
	}
	return all
}

func wantChanges(t *testing.T, r *Report, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, changes(t, r)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestRowsAreMatchedByRequest(t *testing.T) {
	s := store{}
	wide := func(j *jobs.Job) { j.Params = jobs.Params{"width": 800.0, "dark": true} }
	tagged := func(j *jobs.Job) { j.Tags = []string{"x"} }
	duplicate := func(j *jobs.Job) { j.State, j.DuplicateOf = jobs.Duplicate, 1 }
	bad := jobs.Job{State: jobs.Rejected, Cells: []string{"", "A"}, Error: "no URL"}
	a := s.add("a", done("u1"), with(done("u1"), wide), done("u2"), with(done("u1"), duplicate), with(done("u3"), tagged), done("u3"), bad, done("gone"))
	b := s.add("b", done("new"), with(done("u3"), tagged), failed("u2", "no"), with(failed("u1", "no"), wide), done("u1"), failed("u3", "x"), bad, done("u3"))
	r := run(t, s, a, b, Options{})
	// The rows u3 occur twice in A and three times in B: the k-th ones belong together.
	wantChanges(t, r, "2/4 [state]", "3/3 [state]", "6/6 [state]", "8/ [only_a]", "/1 [only_b]", "/8 [only_b]")
	want := Counts{RowsA: 8, RowsB: 8, DuplicatesA: 1, Matched: 6, Same: 3, Changed: 3, Kinds: map[Kind]int64{State: 3, OnlyA: 1, OnlyB: 2}}
	if diff := cmp.Diff(want, r.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestRowsAreMatchedByColumn(t *testing.T) {
	s := store{}
	sku := func(value string, j jobs.Job) jobs.Job {
		j.Cells = []string{j.URL, value}
		return j
	}
	same := sku("A4", done("u1"))
	same.State, same.DuplicateOf = jobs.Duplicate, 1
	a := s.add("a", sku("A1", costing(done("u1"), 1)), sku("A2", done("u2")), sku("A2", done("u3")), same, sku("", done("u9")), sku("  A7 ", done("u7")))
	b := s.add("b", sku("A2", failed("x2", "no")), sku("A1", failed("x1", "no")), sku("A2", done("x3")), sku("A4", costing(done("u1"), 3)), sku("", failed("u9", "")), sku("A7", done("u7")))
	a.Columns, b.Columns = []string{"url", "SKU"}, []string{"url", "sku "}
	r := run(t, s, a, b, Options{By: "Sku"})
	wantChanges(t, r, "1/2 [state]", "2/1 [state]", "5/5 [state]")

	// Without columns it is a field of the metadata.
	c := s.add("c", with(done("y"), func(j *jobs.Job) { j.Metadata = jobs.Metadata{"SKU": json.Number("17")} }))
	d := s.add("d", with(failed("z", "no"), func(j *jobs.Job) { j.Metadata = jobs.Metadata{"SKU": "17"} }))
	wantChanges(t, run(t, s, c, d, Options{By: "SKU"}), "1/1 [state]")
	for _, test := range []struct {
		by   string
		a, b jobs.Batch
		want string
	}{
		{"EAN", a, b, `batch a: "EAN" is not a column`}, {"EAN", c, d, `batch c: no row has a field "EAN"`}, {"SKU", a, s.add("e", done("u1")), `batch e: no row`},
	} {
		_, err := Run(t.Context(), s, test.a, test.b, Options{By: test.by})
		var wrong *ColumnError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("by %s: %v, want %q", test.by, err, test.want)
		}
	}
}

// example returns the report of two batches with a change of each kind.
func example(t *testing.T) *Report {
	t.Helper()
	s := store{}
	a := s.add("before", done("https://a.example/same"), done("https://a.example/lost"), failed("https://a.example/found", "slow"), costing(done("https://a.example/cost"), 1),
		done("https://a.example/little"), done("https://a.example/much"), done("https://user:secret@a.example/moved"), done("https://a.example/missing"),
		done("https://a.example/only-before"), failed("https://a.example/other", "one"), costing(done("https://a.example/unknown"), 1))
	b := s.add("after", done("https://a.example/same"), failed("https://a.example/lost", "=HYPERLINK(\"<b>\")\x1b[31m"), done("https://a.example/found"), costing(done("https://a.example/cost"), 2),
		done("https://a.example/little"), done("https://a.example/much"), done("https://user:secret@a.example/moved"), done("https://a.example/missing"),
		done("javascript:alert(1)"), failed("https://a.example/other", "two"), done("https://a.example/unknown"))
	a.Source, b.Source = "shops.csv", "<script>shops</script>.csv"
	a.Params, b.Params = jobs.Params{"dark": true, "size": "page"}, jobs.Params{"dark": false, "size": "page"}
	picture := func(share float64, height int) Look {
		return Look{Changed: true, Share: share, Pixels: int64(share * 1e6), A: Shown{Image: "p/a.png", Width: 1280, Height: 900}, B: Shown{Image: "p/b.png", Width: 1280, Height: height}, Difference: "p/d.png"}
	}
	return run(t, s, a, b, Options{Parallel: 3, Looker: looker{looks: map[string]Look{
		"https://a.example/same":              {Share: 0.00001, Pixels: 10, A: Shown{Title: "T"}, B: Shown{Title: "T"}},
		"https://a.example/little":            picture(0.00012, 900),
		"https://a.example/much":              picture(0.9, 1800),
		"https://user:secret@a.example/moved": {A: Shown{FinalURL: "https://a.example/1", Title: "One"}, B: Shown{FinalURL: "https://a.example/2", Title: "Two"}},
		"https://a.example/missing":           {Reason: "A: the vendor no longer has the picture", B: Shown{Image: "p/m.png"}},
	}}})
}

func TestChangesAreSorted(t *testing.T) {
	r := example(t)
	wantChanges(t, r, "2/2 [state]", "3/3 [state]", "6/6 [picture]", "5/5 [picture]", "7/7 [final_url title]", "4/4 [cost]", "8/8 [not_compared]", "9/ [only_a]", "/9 [only_b]")
	want := Counts{RowsA: 11, RowsB: 11, Matched: 10, Same: 3, Changed: 6, Kinds: map[Kind]int64{
		State: 2, Picture: 2, FinalURL: 1, Title: 1, Cost: 1, NotCompared: 1, OnlyA: 1, OnlyB: 1,
	}}
	if diff := cmp.Diff(want, r.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	s := r.src.(store)
	same := run(t, s, r.A, r.A, Options{Looker: looker{}})
	if same.Counts.Differ() || same.Len() != 0 || same.Counts.Same != 11 {
		t.Errorf("a batch and itself: %+v", same.Counts)
	}
}

func TestErrorsOfLooks(t *testing.T) {
	s := store{}
	a, b := s.add("a", done("u1"), done("u2")), s.add("b", done("u1"), done("u2"))
	broken := errors.New("the key is refused")
	folder := t.TempDir()
	if _, err := Run(t.Context(), s, a, b, Options{Looker: looker{err: broken}, TempDir: folder}); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// large makes the rows of a large batch when they are read.
type large struct{ n int64 }

func (l large) Batch(_ context.Context, id string) (jobs.Batch, error) {
	return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: id}, Counts: jobs.Counts{Rows: l.n}}, nil
}

func (l large) Rows(_ context.Context, batch string, after int64, limit int) (page []jobs.Row, err error) {
	for row := after + 1; row <= l.n && len(page) < limit; row++ {
		j := jobs.Job{ID: jobs.ID{Batch: batch, Row: row}, Line: int(row), URL: fmt.Sprintf("https://a.example/%d", row), State: jobs.Done, Metadata: jobs.Metadata{"text": strings.Repeat("x", 500)}}
		if batch == "b" && row%2 == 0 {
			j.State, j.Error = jobs.Failed, "no such page"
		}
		page = append(page, jobs.Row{Job: j})
	}
	return page, nil
}

// TestMemory compares two batches of 40,000 rows, half of which differ. It needs
// less than 100 bytes for each row.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 160,000 rows")
	}
	src := large{40_000}
	a, _ := src.Batch(t.Context(), "a")
	b, _ := src.Batch(t.Context(), "b")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var most uint64
	r, err := Run(t.Context(), src, a, b, Options{Looker: looker{}, Parallel: 1, TempDir: t.TempDir(), Progress: func(n, of int64) {
		if n == of/2 {
			most = heap()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Counts.Kinds[State] != 20_000 {
		t.Errorf("counts: %+v", r.Counts)
	}
	if err := WriteJSON(t.Context(), io.Discard, r); err != nil {
		t.Fatal(err)
	}
	grown := max(most, heap()) - before
	t.Logf("%d KiB for 2 × 40,000 rows", grown>>10)
	if most == 0 || grown > 8_000_000 {
		t.Errorf("%d KiB more than before", grown>>10)
	}
}
