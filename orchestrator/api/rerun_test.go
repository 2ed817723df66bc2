package api

import (
	"testing"

	"shotline/jobs"
)

func TestRerunBatch(t *testing.T) {
	r := newRig(t, nil)
	batch := map[string]any{
		"tags": []string{"nightly"}, "source": "shop", "params": map[string]any{"dark": true}, "priority": 3, "callback_url": "http://127.0.0.1:9/",
		"jobs": []any{map[string]any{"url": "a.test", "metadata": map[string]any{"sku": "1"}}, map[string]any{"url": "nope"}, map[string]any{"url": "a.test"}},
	}
	old := r.do("POST", "/v1/batches", batch, "Idempotency-Key", "first").want(202)["batch_id"].(string)
	path := "/v1/batches/" + old + "/rerun"
	got := r.do("POST", path, nil, "Idempotency-Key", "second").want(202)
	if got["accepted"] != 1.0 || got["rejected"] != 1.0 || got["duplicates"] != 1.0 || got["rerun_of"] != old {
		t.Errorf("rerun: %v", got)
	}
	again := got["batch_id"].(string)
	if same := r.do("POST", path, nil, "Idempotency-Key", "second").want(200); same["batch_id"] != again {
		t.Errorf("the same request again: %v", same)
	}
	r.do("POST", path, nil, "Idempotency-Key", "first").problem(409, "", "a different request")
	r.do("POST", "/v1/batches/"+again+"/rerun", nil, "Idempotency-Key", "second").problem(409, "", "a different request")
	if b := r.do("GET", "/v1/batches/"+again, nil).want(200); b["rerun_of"] != old || b["source"] != "shop" {
		t.Errorf("the new batch: %v", b)
	}
	b, err := r.store.Batch(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if b.Priority != 3 || b.CallbackURL != "http://127.0.0.1:9/" || b.Params["dark"] != true {
		t.Errorf("the options of the new batch: %+v", b.BatchSpec)
	}
	j, err := r.store.Job(t.Context(), jobs.ID{Batch: again, Row: 1})
	if err != nil || j.Metadata["sku"] != "1" || j.State != jobs.Queued {
		t.Errorf("the first row: %+v, %v", j, err)
	}
	r.do("POST", "/v1/batches/nothere/rerun", nil).problem(404, "", "there is no batch")
	if err := r.store.CreateBatch(t.Context(), jobs.BatchSpec{ID: "importing"}, r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	r.do("POST", "/v1/batches/importing/rerun", nil).problem(409, "", "importing")
}
