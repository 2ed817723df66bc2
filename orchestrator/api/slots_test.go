package api

import (
	"testing"

	"shotline/jobs"
)

// TestTokensShareSlots checks that a token that holds its share of a limited
// resource gets 429, and that another token still gets a slot.
func TestTokensShareSlots(t *testing.T) {
	w := blockingWork{started: make(chan struct{}), proceed: make(chan struct{})}
	var greedy, modest string
	r := newRig(t, func(c *Config) {
		w.Work = c.Work
		c.Work = w
		first, a, err := NewToken("greedy", true)
		if err != nil {
			t.Fatal(err)
		}
		second, b, err := NewToken("modest", true)
		if err != nil {
			t.Fatal(err)
		}
		c.Access.Tokens, greedy, modest = []Token{first, second}, a, b
	})
	const most = 8
	r.api.streams = newSlots("event streams", most, true, r.config.Metrics.streams)
	r.api.waits = newSlots("waiting requests", most, true, r.config.Metrics.waits)
	r.token = modest
	job := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	wait := "/v1/jobs/" + job + "?wait=1m"

	var ends []func() reply
	r.token = greedy
	for range most / 2 {
		r.listen(r.url+"/v1/events", "Authorization", "Bearer "+greedy)
		ends = append(ends, r.startWait(wait))
	}
	r.do("GET", "/v1/events", nil).problem(429, "", "this token has its share, 4 of 8 event streams")
	full := r.do("GET", wait, nil)
	full.problem(429, "", "this token has its share, 4 of 8 waiting requests")
	if full.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.token = modest
	open := r.listen(r.url+"/v1/events", "Authorization", "Bearer "+modest)
	ends = append(ends, r.startWait(wait))

	upload := func(token string, answers chan reply) {
		go func() {
			answers <- r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Authorization", "Bearer "+token)
		}()
		<-w.started
	}
	answers := make(chan reply, maxUploads)
	for range maxUploads / 2 {
		upload(greedy, answers)
	}
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv", "Authorization", "Bearer "+greedy).problem(429, "", "2 of 4 batch uploads")
	upload(modest, answers)
	for range maxUploads/2 + 1 {
		w.proceed <- struct{}{}
	}
	for range maxUploads/2 + 1 {
		(<-answers).want(202)
	}

	// Slots of ended requests are free again.
	open.end()
	r.until("the slot is free", func() bool { return r.api.streams.count() == most/2 })
	r.listen(r.url+"/v1/events", "Authorization", "Bearer "+modest)
	r.closeJob(job, jobs.Done, "s1")
	for _, end := range ends {
		end().want(200)
	}
}
