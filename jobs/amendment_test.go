package jobs_test

import (
	"testing"

	"shotline/jobs"
)

func TestSameAs(t *testing.T) {
	t.Parallel()
	job := jobs.Job{URL: "https://example.com/", Params: jobs.Params{"width": 800.0, "hide_ads": true}, Tags: []string{"a", "b"}, State: jobs.Failed}
	same := jobs.Request{URL: job.URL, Params: jobs.Params{"hide_ads": true, "width": 800.0}, Tags: []string{"a", "b"}, Metadata: jobs.Metadata{"sku": "7"}, Line: 9}
	for name, tt := range map[string]struct {
		change func(r *jobs.Request, j *jobs.Job)
		want   bool
	}{
		"other metadata":        {func(*jobs.Request, *jobs.Job) {}, true},
		"another URL":           {func(r *jobs.Request, _ *jobs.Job) { r.URL += "x" }, false},
		"another value":         {func(r *jobs.Request, _ *jobs.Job) { r.Params["width"] = 801.0 }, false},
		"another type":          {func(r *jobs.Request, _ *jobs.Job) { r.Params["width"] = "800" }, false},
		"fewer params":          {func(r *jobs.Request, _ *jobs.Job) { delete(r.Params, "width") }, false},
		"another order of tags": {func(r *jobs.Request, _ *jobs.Job) { r.Tags = []string{"b", "a"} }, false},
		"no tags":               {func(r *jobs.Request, j *jobs.Job) { r.Tags, j.Tags = nil, []string{} }, true},
		"a bad row":             {func(r *jobs.Request, _ *jobs.Job) { r.Reject = "bad" }, false},
		"a rejected row":        {func(_ *jobs.Request, j *jobs.Job) { j.State = jobs.Rejected }, false},
	} {
		r, j := same, job
		r.Params = jobs.Params{"hide_ads": true, "width": 800.0}
		tt.change(&r, &j)
		if got := r.SameAs(j); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
