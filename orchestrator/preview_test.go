package orchestrator

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// costs are known costs of option sets.
type costs map[string]jobs.OptionCost

func (c costs) OptionCosts(_ context.Context, options []string) (map[string]jobs.OptionCost, error) {
	found := map[string]jobs.OptionCost{}
	for _, name := range options {
		if cost, known := c[name]; known {
			found[name] = cost
		}
	}
	return found, nil
}

func TestPreviewImport(t *testing.T) {
	t.Parallel()
	page := jobs.Params{"size": "page"}
	rows := requests{
		{Line: 2, URL: "https://a.test/1"},
		{Line: 3, URL: "nope", Reject: "not a URL"},
		{Line: 4, URL: "https://a.test/1"},
		{Line: 5, URL: "https://a.test/1", Params: page},
		{Line: 6, URL: "https://a.test/1", Params: page, Tags: []string{"x"}},
		{Line: 7, URL: "gone", Reject: "empty"},
		{Line: 9, URL: "gone", Reject: "empty"},
		{Line: 10, URL: "https://a.test/1", CallbackURL: "https://b.test/"},
		{Line: 11, URL: "https://a.test/2", Params: jobs.Params{"pdf": true}},
	}
	history := costs{"dark=true": {Creates: 4, Total: 6, Highest: 2}, "dark=true size=page": {Creates: 1, Total: 3, Highest: 3}}
	got, err := PreviewImport(t.Context(), history, jobs.BatchSpec{Params: jobs.Params{"dark": true}}, &rows)
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Preview{
		Rows: 9, Accepted: 5, Duplicates: 1, Rejected: 3,
		Reasons: []jobs.PreviewReason{{Text: "empty", Count: 2, Row: 6, Line: 7}, {Text: "not a URL", Count: 1, Row: 2, Line: 3}},
		Credits: 2*1.5 + 2*3, Most: 2*2 + 2*3, Unknown: 1,
	}
	if math.Abs(got.Credits-want.Credits) < 1e-9 {
		got.Credits = want.Credits
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
	if _, err := PreviewImport(t.Context(), history, jobs.BatchSpec{}, &brokenRows{rows: 3}); !errors.Is(err, ErrInput) {
		t.Errorf("a broken input: %v", err)
	}
}

// TestPreviewAgreesWithImport checks that the counts of a preview are those of the
// import.
func TestPreviewAgreesWithImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	made := func() *requests {
		return &requests{
			{Line: 1, URL: "https://a.test/1", Params: jobs.Params{"delay": 1.0}}, {Line: 2, URL: "https://a.test/1", Params: jobs.Params{"delay": 1.0}, Tags: []string{}},
			{Line: 3, URL: "https://a.test/1"}, {Line: 4, URL: "https://a.test/1", Params: jobs.Params{}}, {Line: 5, URL: "x", Reject: "bad"},
			{Line: 6, URL: "https://a.test/1", Metadata: jobs.Metadata{"a": "b"}},
		}
	}
	preview, err := PreviewImport(r.ctx(), r.store, jobs.BatchSpec{}, made())
	r.must(err)
	b, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, made(), r.clock, ImportOptions{})
	r.must(err)
	if c := b.Counts; preview.Rows != c.Rows || preview.Accepted != c.Accepted() || preview.Duplicates != c.Of(jobs.Duplicate) || preview.Rejected != c.Of(jobs.Rejected) {
		t.Errorf("preview %+v, import %+v", preview, c)
	}
}
