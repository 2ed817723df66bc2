package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestListAndReplayCallbacks(t *testing.T) {
	r := newRig(t, nil)
	var seqs []int64
	for i := range 3 {
		id := r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a.test/%d", i)}).want(202)["id"].(string)
		sink := ""
		if i == 2 {
			sink = "ops"
		}
		seqs = append(seqs, r.addDeadCallback(id, sink))
	}
	list := func(query string) (found []any, next string) {
		a := r.do("GET", "/v1/callbacks"+query, nil)
		if strings.Contains(string(a.body), "s3cret") {
			t.Errorf("the response contains the query of a URL: %s", a.body)
		}
		page := a.want(200)
		next, _ = page["next"].(string)
		return page["callbacks"].([]any), next
	}
	for query, want := range map[string]int{"": 3, "?state=dead": 3, "?state=owed,delivered": 0, "?sink=ops": 1, "?batch=b1": 1, "?batch=zz": 0} {
		if got, _ := list(query); len(got) != want {
			t.Errorf("%s: %d callbacks, want %d", query, len(got), want)
		}
	}
	first, next := list("?limit=2")
	second, end := list("?limit=2&cursor=" + next)
	if len(first) != 2 || len(second) != 1 || end != "" || first[0].(map[string]any)["seq"] != float64(seqs[2]) {
		t.Errorf("pages: %v, %v", first, second)
	}
	if got := second[0].(map[string]any); got["url"] != "https://user.test/hook" || got["status"] != 500.0 || got["error"] == "" {
		t.Errorf("%v", got)
	}
	r.do("GET", "/v1/callbacks?state=dead&cursor="+next, nil).problem(422, "query.cursor", "same search")
	r.do("GET", "/v1/callbacks?state=lost", nil).problem(422, "query.state[0]", "dead")

	if got := r.do("POST", fmt.Sprintf("/v1/callbacks/%d/replay", seqs[0]), nil).want(202); got["replayed"] != 1.0 {
		t.Errorf("one: %v", got)
	}
	if got := r.do("POST", "/v1/callbacks/replay?sink=ops", nil).want(202); got["replayed"] != 1.0 {
		t.Errorf("of the sink: %v", got)
	}
	if got := r.do("POST", "/v1/callbacks/replay", nil).want(202); got["replayed"] != 1.0 {
		t.Errorf("the others: %v", got)
	}
	if got, _ := list("?state=owed"); len(got) != 3 {
		t.Errorf("%d callbacks are owed, want 3", len(got))
	}
	r.do("POST", fmt.Sprintf("/v1/callbacks/%d/replay", seqs[2]+1), nil).problem(404, "", "there is no callback")
	r.do("POST", "/v1/callbacks/0/replay", nil).problem(422, "path.seq", "1")
	r.do("POST", "/v1/callbacks/replay?state=delivered", nil).problem(422, "query.state[0]", "dead")
}
