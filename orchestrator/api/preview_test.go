package api

import (
	"context"
	"errors"
	"testing"
)

func TestDryRun(t *testing.T) {
	balance, err := 12.5, error(nil)
	r := newRig(t, func(c *Config) { c.Balance = func(context.Context) (float64, error) { return balance, err } })
	got := r.do("POST", "/v1/batches?dry_run=true", "url,size\na.test,page\na.test,page\nno url,page\n", "Content-Type", "text/csv", "Idempotency-Key", "k").want(200)
	run, _ := got["dry_run"].(map[string]any)
	if got["rows"] != 3.0 || got["accepted"] != 1.0 || got["duplicates"] != 1.0 || got["rejected"] != 1.0 || got["batch_id"] != nil {
		t.Errorf("dry run: %v", got)
	}
	reasons, _ := run["rejected"].([]any)
	if run["unknown"] != 1.0 || run["balance"] != 12.5 || len(reasons) != 1 || reasons[0].(map[string]any)["line"] != 4.0 {
		t.Errorf("dry run: %v", run)
	}
	if list := r.do("GET", "/v1/batches", nil).want(200)["batches"].([]any); len(list) > 0 {
		t.Errorf("batches %v", list)
	}
	err = errors.New("no answer")
	got = r.do("POST", "/v1/batches?dry_run=true", `{"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json").want(200)
	if run, _ := got["dry_run"].(map[string]any); run == nil || run["balance"] != nil {
		t.Errorf("without a balance: %v", got)
	}
	r.do("POST", "/v1/batches?dry_run=true", `{"jobs":[{"url":1}]}`, "Content-Type", "application/json").problem(422, "body.jobs[0].url", "")
	// The key is still free.
	r.do("POST", "/v1/batches", `{"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json", "Idempotency-Key", "k").want(202)
}

func TestBudgetOfABatch(t *testing.T) {
	r := newRig(t, nil)
	batch := r.do("POST", "/v1/batches?budget=12.5", "a.test\n", "Content-Type", "text/csv").want(202)["batch_id"].(string)
	if got := r.do("GET", "/v1/batches/"+batch, nil).want(200); got["budget"] != 12.5 {
		t.Errorf("batch %v", got)
	}
	if got := r.do("POST", "/v1/batches/"+batch+"/resume?budget=20", nil).want(200); got["budget"] != 20.0 {
		t.Errorf("resumed %v", got)
	}
	if got := r.do("POST", "/v1/batches/"+batch+"/resume?budget=none", nil).want(200); got["budget"] != nil {
		t.Errorf("resumed %v", got)
	}
	r.do("POST", "/v1/batches/"+batch+"/resume?budget=-1", nil).problem(422, "query.budget", "number of credits")
	r.do("POST", "/v1/batches/nothere/resume?budget=1", nil).problem(404, "", "there is no batch")
	r.do("POST", "/v1/batches", `{"budget":-1,"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json").problem(422, "body.budget", "")
	r.do("POST", "/v1/batches", `{"budget":1e13,"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json").problem(422, "body.budget", "")
	if got := r.do("POST", "/v1/batches", `{"budget":3,"jobs":[{"url":"a.test"}]}`, "Content-Type", "application/json").want(202); got["accepted"] != 1.0 {
		t.Errorf("batch %v", got)
	}
}
