package api

import (
	"strings"
	"testing"

	"shotline/jobs"
)

func TestTimeline(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	r.closeJob(id, jobs.Failed, "s1")
	entries := r.do("GET", "/v1/jobs/"+id+"/timeline", nil).want(200)["entries"].([]any)
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.(map[string]any)["kind"].(string))
	}
	if got := strings.Join(kinds, " "); !strings.HasPrefix(got, "row submission") || !strings.HasSuffix(got, "event now") {
		t.Errorf("kinds are %s", got)
	}
	if last := entries[len(entries)-1].(map[string]any); last["state"] != "failed" {
		t.Errorf("the job stands at %v", last)
	}
	batch, _, _ := strings.Cut(id, "-")
	for path, text := range map[string]string{batch: "a job ID is BATCH-ROW", batch + "-2": "there is no job " + batch + "-2", "nosuchbatch-1": "there is no job"} {
		if a := r.do("GET", "/v1/jobs/"+path+"/timeline", nil); a.status != 404 || !strings.Contains(string(a.body), text) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
