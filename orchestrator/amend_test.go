package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client"
	"shotline/jobs"
)

// amend amends rows of the rig's batch.
func (r *rig) amend(checker Checker, options jobs.AmendOptions, rows ...jobs.Request) (jobs.AmendCounts, error) {
	r.t.Helper()
	given := requests(rows)
	return AmendBatch(r.ctx(), r.full, checker, rigBatch, &given, options, r.clock)
}

// fixed returns a request for a row of the rig's batch.
func fixed(row int64, url string) jobs.Request {
	return jobs.Request{Line: int(row) + 100, URL: url, Job: jobs.ID{Batch: rigBatch, Row: row}}
}

// loadMixed imports two good rows, a bad one and a duplicate of the first, in
// columns SKU and url.
func (r *rig) loadMixed() {
	r.t.Helper()
	urls := []string{"https://b1.test/1/", "https://b1.test/2/", "nonsense", "https://b1.test/1/"}
	rows := requests{}
	for i, url := range urls {
		row := jobs.Request{Line: i + 2, URL: url, Cells: []string{"S" + string(rune('1'+i)), url}}
		if url == "nonsense" {
			row.Reject = "not a URL"
		}
		rows = append(rows, row)
	}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch, Columns: []string{"SKU", "url"}}, &rows, r.clock, ImportOptions{})
	r.must(err)
}

func TestAmendedRowsAreSubmittedInTheirBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.loadMixed()
	r.submitAll()
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.TimedOut: 2, jobs.Rejected: 1, jobs.Duplicate: 1})

	options := jobs.AmendOptions{Columns: []string{"url", "sku ", "state"}}
	row := fixed(3, "https://b1.test/3/")
	row.Cells = []string{row.URL, "S3", "rejected"}
	same := fixed(4, "https://b1.test/1/")
	got, err := r.amend(nil, options, fixed(1, "https://b1.test/one/"), row, same)
	r.must(err)
	if want := (jobs.AmendCounts{Amended: 2, Unchanged: 1, Separated: 1}); got != want {
		t.Errorf("amended %+v, want %+v", got, want)
	}
	r.expect(map[jobs.State]int64{jobs.TimedOut: 1, jobs.Queued: 3})
	j, err := r.full.Job(r.ctx(), jobs.ID{Batch: rigBatch, Row: 3})
	r.must(err)
	if strings.Join(j.Cells, "|") != "S3|https://b1.test/3/" || j.Line != 4 {
		t.Errorf("cells %q in line %d, want them in the columns of the batch and in line 4", j.Cells, j.Line)
	}
	again, err := r.amend(nil, options, fixed(1, "https://b1.test/one/"), row, same)
	r.must(err)
	if want := (jobs.AmendCounts{Unchanged: 3}); again != want {
		t.Errorf("amended again %+v, want %+v", again, want)
	}
}

func TestAmendMatchesByColumn(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.loadMixed()
	row := jobs.Request{Line: 9, URL: "https://b1.test/3/", Cells: []string{"https://b1.test/3/", " S3"}}
	got, err := r.amend(nil, jobs.AmendOptions{Columns: []string{"url", "SKU"}, By: "sku"}, row)
	r.must(err)
	if got.Amended != 1 {
		t.Errorf("amended %+v", got)
	}
}

// Rows without columns are found by a field of their metadata.
func TestAmendMatchesByMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	rows := requests{{URL: "bad", Reject: "not a URL", Metadata: jobs.Metadata{"order": json.Number("17")}}, {URL: "bad", Reject: "not a URL"}}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &rows, r.clock, ImportOptions{})
	r.must(err)
	row := jobs.Request{Line: 1, URL: "https://b1.test/", Metadata: jobs.Metadata{"order": "17"}}
	got, err := r.amend(nil, jobs.AmendOptions{By: "order"}, row)
	r.must(err)
	if got.Amended != 1 {
		t.Errorf("amended %+v", got)
	}
	table := jobs.Request{Line: 2, URL: "https://b1.test/2/", Cells: []string{"17", "https://b1.test/2/"}}
	if _, err := r.amend(nil, jobs.AmendOptions{By: "order", Columns: []string{"Order", "url"}}, table); !strings.Contains(fmt.Sprint(err), "b1-1 is still queued") {
		t.Errorf("a table for the same row: %v", err)
	}
}

// TestAmendRefusesBadRows checks that a row that cannot be used is named and that
// nothing changes.
func TestAmendRefusesBadRows(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.loadMixed()
	columns := []string{"SKU", "url"}
	good := jobs.Request{Line: 2, URL: "https://b1.test/3/", Job: jobs.ID{Batch: rigBatch, Row: 3}, Cells: []string{"S3", ""}}
	bad := fixed(1, "https://b1.test/x/")
	bad.Line = 7
	with := func(change func(q *jobs.Request)) jobs.Request {
		q := bad
		change(&q)
		return q
	}
	for name, tt := range map[string]struct {
		row     jobs.Request
		options jobs.AmendOptions
		want    string
	}{
		"open":           {bad, jobs.AmendOptions{}, "line 7: job b1-1 is still queued: wait for its end or cancel it first"},
		"no job":         {with(func(q *jobs.Request) { q.Job = jobs.ID{} }), jobs.AmendOptions{}, "line 7: it names no job"},
		"another batch":  {with(func(q *jobs.Request) { q.Job.Batch = "b9" }), jobs.AmendOptions{}, "line 7: job b9-1 is of batch b9"},
		"no such row":    {with(func(q *jobs.Request) { q.Job.Row = 5 }), jobs.AmendOptions{}, "line 7: the batch has no row 5"},
		"twice":          {with(func(q *jobs.Request) { q.Job.Row = 3 }), jobs.AmendOptions{}, "line 7: row 3 of the batch is named twice, first in line 2"},
		"a missing cell": {with(func(q *jobs.Request) { q.Cells = []string{""} }), jobs.AmendOptions{By: "SKU"}, "line 7: it has no SKU"},
		"unknown value":  {with(func(q *jobs.Request) { q.Cells = []string{"S9"} }), jobs.AmendOptions{By: "SKU"}, `line 7: no row of the batch has the SKU "S9"`},
		"value twice":    {with(func(q *jobs.Request) { q.Cells = []string{"S3"} }), jobs.AmendOptions{By: "SKU"}, `line 7: its SKU "S3" occurs twice, first in line 2`},
		"no such column": {bad, jobs.AmendOptions{By: "EAN"}, `there is no column "EAN"`},
		"a bad row":      {with(func(q *jobs.Request) { q.Reject = "not a URL" }), jobs.AmendOptions{}, "line 7: job b1-1 is still queued"},
		"a priority":     {with(func(q *jobs.Request) { q.Job.Row = 4; q.Priority = new(3) }), jobs.AmendOptions{}, "line 7: it has a priority"},
	} {
		tt.options.Columns = columns
		got, err := r.amend(nil, tt.options, good, tt.row)
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.want) || got.Amended > 0 {
			t.Errorf("%s: amended %+v, error %v; want %q", name, got, err, tt.want)
		}
		r.expect(map[jobs.State]int64{jobs.Queued: 2, jobs.Rejected: 1, jobs.Duplicate: 1})
	}
	if _, err := r.amend(nil, jobs.AmendOptions{}, good); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), `the batch has columns, such as "SKU"`) {
		t.Errorf("without columns: %v", err)
	}
	if _, err := r.amend(nil, jobs.AmendOptions{Columns: []string{"url"}}, good); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), `"SKU", which is missing`) {
		t.Errorf("without a column of the batch: %v", err)
	}
}

func TestAmendPaysAgainOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(1)
	r.submitAll()
	r.vendor.end(client.StatusFinished, "1001")
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Done: 1})
	other := fixed(1, "https://b1.test/other/")
	if _, err := r.amend(nil, jobs.AmendOptions{}, other); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "line 101: job b1-1 is done") {
		t.Errorf("another request for a done job: %v", err)
	}
	bad := other
	bad.Reject = "not a URL"
	if _, err := r.amend(nil, jobs.AmendOptions{Again: true}, bad); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "cannot get this request: not a URL") {
		t.Errorf("a bad row for a job: %v", err)
	}
	got, err := r.amend(nil, jobs.AmendOptions{}, fixed(1, "https://b1.test/1/"))
	r.must(err)
	if want := (jobs.AmendCounts{Unchanged: 1}); got != want {
		t.Errorf("amended %+v, want %+v", got, want)
	}
	got, err = r.amend(nil, jobs.AmendOptions{Again: true}, other)
	r.must(err)
	if want := (jobs.AmendCounts{Amended: 1}); got != want {
		t.Errorf("amended %+v, want %+v", got, want)
	}
	r.expect(map[jobs.State]int64{jobs.Queued: 1})
}

// TestAmendQueriesTheVendorFirst checks that a job that keeps its request does not
// pay for a second screenshot, and that another request needs no query.
func TestAmendQueriesTheVendorFirst(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 2)
	got, err := r.amend(nil, jobs.AmendOptions{}, fixed(1, "https://b1.test/1/"), fixed(2, "https://b1.test/two/"))
	if want := (jobs.AmendCounts{RetryCounts: jobs.RetryCounts{Unchecked: 1}, Amended: 1}); got != want || !errors.Is(err, jobs.ErrUnchecked) {
		t.Errorf("without a vendor: amended %+v, %v; want %+v", got, err, want)
	}
	r.vendor.end(client.StatusFinished, "1001")
	got, err = r.amend(r.Orchestrator, jobs.AmendOptions{}, fixed(1, "https://b1.test/1/"), fixed(2, "https://b1.test/two/"))
	r.must(err)
	if want := (jobs.AmendCounts{RetryCounts: jobs.RetryCounts{Done: 1}, Unchanged: 1}); got != want {
		t.Errorf("amended %+v, want %+v", got, want)
	}
}

// TestAmendKeepsDuplicatesTogether checks that no duplicate becomes a job with the
// old request if it is amended, too.
func TestAmendKeepsDuplicatesTogether(t *testing.T) {
	t.Parallel()
	for _, duplicates := range []int{1, 3, retryPage + 20} {
		r := newRig(t, one)
		rows := requests{}
		for i := range retryPage - 2 { // so that the group begins before the end of a page
			rows = append(rows, jobs.Request{Line: i + 1, URL: "bad", Reject: "not a URL"})
		}
		for range 1 + duplicates {
			rows = append(rows, jobs.Request{Line: len(rows) + 1, URL: "https://b1.test/old/"})
		}
		corrected := requests{}
		for i := range rows {
			request := fixed(int64(i+1), "https://b1.test/new/")
			if rows[i].Reject != "" {
				request.URL = fmt.Sprintf("https://b1.test/%d/", i)
			}
			corrected = append(corrected, request)
		}
		_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &rows, r.clock, ImportOptions{})
		r.must(err)
		_, err = r.CancelBatch(r.ctx(), rigBatch)
		r.must(err)
		n := len(corrected)
		got, err := r.amend(nil, jobs.AmendOptions{}, corrected...)
		r.must(err)
		if want := (jobs.AmendCounts{Amended: n}); got != want {
			t.Errorf("%d duplicates: amended %+v, want %+v", duplicates, got, want)
		}
		r.expect(map[jobs.State]int64{jobs.Queued: int64(n - duplicates), jobs.Duplicate: int64(duplicates)})
	}
}

// TestAmendOfTheCallbackPaysNothing checks that a canceled job whose screenshot is
// still being made waits for it, although its row has another callback URL.
func TestAmendOfTheCallbackPaysNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(1)
	r.submitAll()
	_, err := r.CancelBatch(r.ctx(), rigBatch)
	r.must(err)
	row := fixed(1, "https://b1.test/1/")
	row.CallbackURL = "https://hooks.test/"
	got, err := r.amend(r.Orchestrator, jobs.AmendOptions{}, row)
	r.must(err)
	if want := (jobs.AmendCounts{RetryCounts: jobs.RetryCounts{Waiting: 1}}); got != want {
		t.Errorf("amended %+v, want %+v", got, want)
	}
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
}

// TestAmendByTableKeepsOtherFields checks that a table does not delete the fields
// of rows from JSON for which it has no column.
func TestAmendByTableKeepsOtherFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	was := jobs.Request{
		URL: "https://b1.test/1/", Params: jobs.Params{"width": 800.0, "height": 600.0}, Tags: []string{"a"},
		Metadata: jobs.Metadata{"n": json.Number("17"), "sku": "A1", "gone": "x"}, Timeout: time.Minute,
	}
	plain := jobs.Request{URL: "https://b1.test/2/", Params: was.Params, Cells: []string{"https://b1.test/2/", ""}}
	for n, tt := range []struct {
		columns []string
		row     jobs.Request
		cells   []string
		fields  map[string]int
		want    jobs.Request
	}{
		{row: was, cells: []string{was.URL}, want: was},
		{
			row: was, cells: []string{was.URL, "17", "", "1000"}, fields: map[string]int{"metadata.n": 1, "metadata.gone": 2, "params.width": 3},
			want: jobs.Request{
				Params: jobs.Params{"width": 1000.0, "height": 600.0}, Tags: was.Tags,
				Metadata: jobs.Metadata{"n": json.Number("17"), "sku": "A1"}, Timeout: time.Minute,
			},
		},
		{columns: []string{"url", "width"}, row: plain, cells: plain.Cells, fields: map[string]int{"params.width": 1}, want: plain},
		{
			columns: []string{"url", "width"}, row: plain, cells: []string{plain.URL, "1000"}, fields: map[string]int{"params.width": 1},
			want: jobs.Request{Params: jobs.Params{"width": 1000.0, "height": 600.0}},
		},
	} {
		batch := fmt.Sprintf("b%d", n+2)
		_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: batch, Columns: tt.columns}, &requests{tt.row}, r.clock, ImportOptions{})
		r.must(err)
		_, err = r.CancelBatch(r.ctx(), batch)
		r.must(err)
		given := jobs.Request{Line: 2, URL: tt.row.URL, Job: jobs.ID{Batch: batch, Row: 1}, Cells: tt.cells}
		if len(tt.cells) > 1 && tt.cells[len(tt.cells)-1] == "1000" {
			given.Params = jobs.Params{"width": 1000.0}
		}
		if len(tt.cells) > 2 {
			given.Metadata = jobs.Metadata{"n": "17"}
		}
		options := jobs.AmendOptions{Columns: tt.columns, Fields: tt.fields}
		if options.Columns == nil {
			options.Columns = []string{"url", "n", "gone", "width"}[:len(tt.cells)]
		}
		_, err = AmendBatch(r.ctx(), r.full, nil, batch, &requests{given}, options, r.clock)
		r.must(err)
		j, err := r.full.Job(r.ctx(), given.Job)
		r.must(err)
		type fields struct {
			Params   jobs.Params
			Tags     []string
			Metadata jobs.Metadata
			Timeout  time.Duration
		}
		got, want := fields{j.Params, j.Tags, j.Metadata, j.Timeout}, fields{tt.want.Params, tt.want.Tags, tt.want.Metadata, tt.want.Timeout}
		if diff := cmp.Diff(want, got); diff != "" || j.State != jobs.Queued {
			t.Errorf("%s: a row with the cells %q is %s; fields (-want +got):\n%s", batch, tt.cells, j.State, diff)
		}
	}
}
