package api

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// testTimeout ends tests that hang.
const testTimeout = 20 * time.Second

// startWait sends a request in the background and returns when the request waits.
func (r *rig) startWait(path string) (finish func() reply) {
	r.t.Helper()
	before := r.api.waits.count()
	answer := make(chan reply, 1)
	go func() { answer <- r.do("GET", path, nil) }()
	r.until("the request waits", func() bool { return r.api.waits.count() > before })
	return func() reply {
		r.t.Helper()
		select {
		case a := <-answer:
			return a
		case <-time.After(testTimeout):
			r.t.Fatalf("no response to %s", path)
			return reply{}
		}
	}
}

func (r *rig) until(event string, condition func() bool) {
	r.t.Helper()
	for end := time.Now().Add(testTimeout); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("timeout: %s", event)
		}
	}
}

func TestWaitEndsWithTheJob(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	job := r.startWait("/v1/jobs/" + id + "?wait=1m")
	batch := r.startWait("/v1/batches/" + r.job(id).ID.Batch + "?wait=1m")
	r.closeJob(id, jobs.Done, "s1")
	if got := job().want(200); got["state"] != "done" || got["screenshot_id"] != "s1" || got["image_url"] != "/v1/jobs/"+id+"/image" {
		t.Errorf("the job is %v", got)
	}
	if got := batch().want(200); got["state"] != "finished" || got["done"] != 1.0 {
		t.Errorf("the batch is %v", got)
	}
	// Requests for what has ended do not wait and take no slot.
	r.do("GET", "/v1/jobs/"+id+"?wait=1m", nil).want(200)
	r.do("GET", "/v1/batches/"+r.job(id).ID.Batch+"?wait=1m", nil).want(200)
	r.until("all slots are free", func() bool { return r.api.waits.count() == 0 })
}

func TestWaitTimesOut(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	for _, wait := range []string{"5ms", "0s", ""} {
		if got := r.do("GET", "/v1/jobs/"+id+"?wait="+wait, nil).want(200); got["state"] != "queued" {
			t.Errorf("after %q the job is %v", wait, got["state"])
		}
	}
	finish := r.startWait("/v1/jobs/" + id + "?wait=200ms")
	r.openIntent(id) // this causes no event
	if got := finish().want(200); got["state"] != "submitting" {
		t.Errorf("the job is %v, want submitting", got["state"])
	}
	if got := r.do("GET", "/v1/batches/"+r.job(id).ID.Batch+"?wait=5ms", nil).want(200); got["state"] != "open" {
		t.Errorf("the batch is %v", got["state"])
	}
}

func TestRefusedWaits(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	batch := r.job(id).ID.Batch
	for _, wait := range []string{"61s", "1h", "-1s", "soon", "30", "1e3"} {
		r.do("GET", "/v1/jobs/"+id+"?wait="+wait, nil).problem(422, "query.wait", "at most 1m")
		r.do("GET", "/v1/batches/"+batch+"?wait="+wait, nil).problem(422, "query.wait", "at most 1m")
	}
	r.do("GET", "/v1/jobs/nobody-1?wait=1s", nil).problem(404, "", "no job")
	r.do("GET", "/v1/batches/nobody?wait=1s", nil).problem(404, "", "no batch")

	r.api.waits = newSlots("waiting requests", 1, false, r.config.Metrics.waits)
	finish := r.startWait("/v1/jobs/" + id + "?wait=1m")
	full := r.do("GET", "/v1/jobs/"+id+"?wait=1m", nil)
	full.problem(503, "", "already 1 waiting requests")
	if full.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.do("GET", "/v1/jobs/"+id, nil).want(200)
	r.closeJob(id, jobs.Done, "s1")
	finish().want(200)
}

func TestWaitOutlastsTheWriteTimeoutAndEndsWithItsClient(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	server := startServer(t, r.api.handler(), 50*time.Millisecond)
	response, err := http.Get(server + "/v1/jobs/" + id + "?wait=300ms")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got jobjson.Job
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || got.State != jobs.Queued {
		t.Errorf("after the server's write timeout: %v, %v", got.State, err)
	}
	ctx, disconnect := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", server+"/v1/jobs/"+id+"?wait=1m", nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
		}
		gone <- err
	}()
	r.until("the request waits", func() bool { return r.api.waits.count() == 1 })
	disconnect()
	if err := <-gone; err == nil {
		t.Error("got a response after the client disconnected")
	}
	r.until("the slot is free", func() bool { return r.api.waits.count() == 0 })
}

func TestWaitsEndWhenTheProcessStops(t *testing.T) {
	r := newRig(t, nil)
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	finish := r.startWait("/v1/jobs/" + id + "?wait=1m")
	r.work.Drain()
	if got := finish().want(200); got["state"] != "queued" {
		t.Errorf("the job is %v", got["state"])
	}
}
