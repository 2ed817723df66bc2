package main

import (
	"strings"
	"testing"

	"shotline/jobs"
)

// TestStatusShowsBothResults checks the status of jobs whose screenshots have
// contradictory results.
func TestStatusShowsBothResults(t *testing.T) {
	done, failed := jobs.OutcomeDone, jobs.OutcomeFailed
	for name, test := range map[string]struct {
		job  jobs.Job
		want []string
	}{
		"not queried yet":  {jobs.Job{State: jobs.Failed, FirstResult: failed}, []string{"first result failed", "vendor says  no response yet; the first result stands until it is queried"}},
		"still processing": {jobs.Job{State: jobs.Failed, FirstResult: failed, VendorSays: jobs.OutcomeProcessing}, []string{"vendor says  still processing; the first result stands"}},
		"unknown":          {jobs.Job{State: jobs.Done, FirstResult: done, VendorSays: jobs.OutcomeUnknown}, []string{"vendor says  the screenshot is unknown; the first result stands"}},
		"confirmed":        {jobs.Job{State: jobs.Done, FirstResult: done, VendorSays: done}, []string{"first result done", "vendor says  done; the first result stands"}},
		"corrected":        {jobs.Job{State: jobs.Done, FirstResult: failed, VendorSays: done, Corrected: true}, []string{"first result failed", "vendor says  done; the job was corrected"}},
		"canceled":         {jobs.Job{State: jobs.Canceled, FirstResult: failed, VendorSays: done}, []string{"first result failed", "vendor says  done\n"}},
	} {
		test.job.ID, test.job.Conflicts = jobs.ID{Batch: "b1", Row: 1}, 1
		var out strings.Builder
		if err := printJob(&out, test.job, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range append(test.want, "conflicts    1 contradictory result\n") {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, &out)
			}
		}
	}
	var out strings.Builder
	if err := printJob(&out, jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, State: jobs.Done}, false); err != nil || strings.Contains(out.String(), "vendor says") {
		t.Errorf("job without a conflict: got %s (%v)", &out, err)
	}
	out.Reset()
	if err := printBatch(&out, jobs.Batch{Counts: jobs.Counts{Corrected: 2}}, false); err != nil || !strings.Contains(out.String(), "corrected    2\n") {
		t.Errorf("batch: got %s (%v)", &out, err)
	}
}
