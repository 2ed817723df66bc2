package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// The rows of a JSON batch have the options of single jobs.
func TestBatchRowOptions(t *testing.T) {
	r := newRig(t, nil)
	batch := r.do("POST", "/v1/batches", `{"timeout":"10m","priority":2,"callback_url":"http://127.0.0.1:9/batch","jobs":[
		{"url":"a.test/1"},
		{"url":"a.test/2","callback_url":"http://127.0.0.1:9/row","timeout":"90s","priority":-7},
		{"url":"a.test/3","priority":0},
		{"url":"a.test/4","callback_url":"http://10.0.0.1/s3cret"},
		{"url":"a.test/5","timeout":"soon"},
		{"url":"a.test/6","timeout":"-1s"},
		{"url":"a.test/7","priority":101},
		{"url":"nope","priority":1}]}`).want(202)["batch_id"].(string)
	rows, err := r.store.Rows(t.Context(), batch, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		timeout  time.Duration
		priority int // after the batch was opened, so rows without a priority have the batch's
		rejected string
	}{
		{0, 2, ""}, {90 * time.Second, -7, ""}, {0, 0, ""}, {0, 0, "callback_url: "}, {0, 0, "timeout: want a duration"},
		{0, 0, "timeout: want a duration"}, {0, 0, "priority: want -100 to 100"}, {0, 1, "not a URL"},
	} {
		j := rows[i].Job
		if want.rejected != "" {
			if j.State != jobs.Rejected || !strings.Contains(j.Error, want.rejected) || strings.Contains(j.Error, "s3cret") {
				t.Errorf("row %d is %s: %s, want it rejected: %s", i+1, j.State, j.Error, want.rejected)
			}
			continue
		}
		if j.State != jobs.Queued || j.Timeout != want.timeout || j.Priority == nil || *j.Priority != want.priority {
			t.Errorf("row %d is %s, timeout %s, priority %v, want %+v", i+1, j.State, j.Timeout, j.Priority, want)
		}
	}
	now := r.clock.Now()
	leases, err := r.store.Lease(t.Context(), batch, "w", 9, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var order []int64
	for _, lease := range leases {
		order = append(order, lease.Job.ID.Row)
	}
	if !slices.Equal(order, []int64{1, 3, 2}) {
		t.Errorf("submitted in the order %v", order)
	}

	// Events of a job have the URL of its row, and events of the batch that of the
	// batch.
	r.do("POST", "/v1/batches/"+batch+"/cancel", nil).want(200)
	page, _, err := r.store.Events(t.Context(), jobs.EventFilter{Calls: true})
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	for _, e := range page {
		called = append(called, fmt.Sprint(e.Type, " ", e.Job, " ", e.CallbackURL))
	}
	want := []string{"job.canceled " + batch + "-2 http://127.0.0.1:9/row", "batch.finished - http://127.0.0.1:9/batch"}
	for i := range want {
		want[i] = strings.Replace(want[i], " - ", " "+fmt.Sprint(jobs.ID{})+" ", 1)
	}
	if !slices.Equal(called, want) {
		t.Errorf("called %q, want %q", called, want)
	}

	// The rows of a CSV have the same options in columns.
	table := "url,job:timeout,job:priority,job:callback_url\na.test/1,90s,-7,http://127.0.0.1:9/row\na.test/2,,,http://10.0.0.1/s3cret\na.test/3,,101,\n"
	batch = r.do("POST", "/v1/batches?priority=2", table, "Content-Type", "text/csv").want(202)["batch_id"].(string)
	if j := r.job(batch + "-1"); j.Timeout != 90*time.Second || *j.Priority != -7 || j.State != jobs.Queued {
		t.Errorf("the first row of the CSV is %+v", j)
	}
	if j := r.job(batch + "-2"); j.State != jobs.Rejected || !strings.HasPrefix(j.Error, "callback_url: ") || strings.Contains(j.Error, "s3cret") {
		t.Errorf("the second row of the CSV is %s: %s", j.State, j.Error)
	}
	if j := r.job(batch + "-3"); j.State != jobs.Rejected || j.Error != "priority: want -100 to 100" {
		t.Errorf("the third row of the CSV is %s: %s", j.State, j.Error)
	}

	for body, location := range map[string]string{
		`{"jobs":[{"url":"a.test","priority":"high"}]}`:                    "body.jobs[0].priority",
		`{"jobs":[{"url":"a.test"},{"url":"b.test","priority":1.5}]}`:      "body.jobs[1].priority",
		`{"jobs":[{"url":"a.test","timeout":5}]}`:                          "body.jobs[0].timeout",
		`{"jobs":[{"url":"a.test","callback_url":["http://127.0.0.1/"]}]}`: "body.jobs[0].callback_url",
	} {
		r.do("POST", "/v1/batches", body).problem(422, location, "want ")
	}
}
