package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// load is who waits, and how fast what they wait for happens.
type load struct {
	waits, streams, rate int
}

// awaiting is one measurement: jobs that are pending, those who wait for them,
// and when each of them heard.
type awaiting struct {
	load
	serve  *serve
	vendor *vendor
	client *http.Client
	batch  string

	answered []time.Time   // when the webhook of a row was
	waited   []time.Time   // when the request that waits for the row was
	told     [][]time.Time // when each stream told of it
}

// measureAwait is many waits at a high rate.
func measureAwait(ctx context.Context, b *bench) ([]figure, error) {
	a, err := newAwaiting(ctx, b, load{waits: 1000, rate: 1000})
	if err != nil {
		return nil, err
	}
	return since(a.answered, a.waited).figures("1,000 waits, 1,000 webhooks/s", atMost(3), atMost(20)), nil
}

// measureWaiters is twice as many waits beside streams that are told everything.
func measureWaiters(ctx context.Context, b *bench) ([]figure, error) {
	a, err := newAwaiting(ctx, b, load{waits: 2000, streams: 200, rate: 200})
	if err != nil {
		return nil, err
	}
	var answered, told []time.Time
	for _, stream := range a.told {
		answered, told = append(answered, a.answered...), append(told, stream...)
	}
	return append(since(a.answered, a.waited).figures("2,000 waits, 200 webhooks/s", nil, nil),
		since(answered, told).figures("200 streams, 40,000 events/s", nil, nil)...), nil
}

// newAwaiting has jobs pending, requests and streams waiting for them, and then
// their webhooks come; it returns when everybody has heard.
func newAwaiting(ctx context.Context, b *bench, l load) (_ *awaiting, err error) {
	vendor := newVendor()
	defer vendor.Close()
	serve, err := b.startServe(ctx, b.database("await"), "--base-url", vendor.URL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, serve.stop()) }()
	a := &awaiting{
		load: l, serve: serve, vendor: vendor, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		answered: make([]time.Time, l.waits), waited: make([]time.Time, l.waits), told: make([][]time.Time, l.streams),
	}
	for i := range a.told {
		a.told[i] = make([]time.Time, l.waits)
	}
	if err := a.submit(ctx); err != nil {
		return nil, err
	}
	return a, a.listen(ctx)
}

// submit returns when the vendor has all jobs.
func (a *awaiting) submit(ctx context.Context) error {
	type job struct {
		URL string `json:"url"`
	}
	var request struct {
		Jobs []job `json:"jobs"`
	}
	for row := range a.waits {
		request.Jobs = append(request.Jobs, job{fmt.Sprintf("https://bench.test/%d", row+1)})
	}
	var accepted struct {
		ID string `json:"batch_id"`
	}
	if err := a.serve.post("/v1/batches", request, &accepted); err != nil {
		return err
	}
	a.batch = accepted.ID
	return a.serve.until(ctx, "all jobs are pending", func() (bool, error) {
		b, err := a.serve.batch(a.batch)
		return b.Pending == a.waits, err
	})
}

// listen has everybody wait, sends the webhooks, and returns when everybody has
// heard.
func (a *awaiting) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	failed := make(chan error, 1)
	report := func(err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
			cancel()
		}
	}
	var waiting sync.WaitGroup
	for i := range a.streams {
		waiting.Go(func() { report(a.follow(ctx, i)) })
	}
	for i := range a.waits {
		waiting.Go(func() { report(a.wait(ctx, i)) })
	}
	report(a.everybodyWaits(ctx))
	report(a.sendWebhooks(ctx))
	waiting.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (a *awaiting) everybodyWaits(ctx context.Context) error {
	return a.serve.until(ctx, "everybody waits", func() (bool, error) {
		waits, err := a.serve.metric("shotline_api_waits")
		if err != nil {
			return false, err
		}
		streams, err := a.serve.metric("shotline_api_streams")
		return int(waits) == a.waits && int(streams) == a.streams, err
	})
}

func (a *awaiting) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.serve.api+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return response, nil
}

// wait is one request that waits.
func (a *awaiting) wait(ctx context.Context, i int) error {
	response, err := a.get(ctx, fmt.Sprintf("/v1/jobs/%s-%d?wait=1m", a.batch, i+1))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	a.waited[i] = time.Now()
	if !bytes.Contains(text, []byte(`"state":"done"`)) {
		return fmt.Errorf("a wait ended with %s", text)
	}
	return nil
}

// follow reads one stream until it has told of all jobs.
func (a *awaiting) follow(ctx context.Context, i int) error {
	response, err := a.get(ctx, "/v1/events?type=job.done")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	named := []byte(`"id":"` + a.batch + `-`)
	lines := bufio.NewScanner(response.Body)
	for heard := 0; heard < a.waits && lines.Scan(); {
		_, after, found := bytes.Cut(lines.Bytes(), named)
		if !found {
			continue
		}
		digits, _, _ := bytes.Cut(after, []byte(`"`))
		row, err := strconv.Atoi(string(digits))
		if err != nil {
			return fmt.Errorf("a stream told %s", lines.Bytes())
		}
		a.told[i][row-1] = time.Now()
		heard++
	}
	return lines.Err()
}

// sendWebhooks sends those of all jobs, one after the other at the rate.
func (a *awaiting) sendWebhooks(ctx context.Context) error {
	rows := make(chan int)
	failures := make(chan error, a.waits)
	var sending sync.WaitGroup
	for range 64 {
		sending.Go(func() {
			for row := range rows {
				if err := a.sendWebhook(ctx, row); err != nil {
					failures <- err
				}
			}
		})
	}
	began := time.Now()
	for row := range a.waits {
		if ctx.Err() != nil {
			break
		}
		time.Sleep(time.Until(began.Add(time.Duration(row) * time.Second / time.Duration(a.rate))))
		rows <- row
	}
	close(rows)
	sending.Wait()
	close(failures)
	return <-failures
}

func (a *awaiting) sendWebhook(ctx context.Context, row int) (err error) {
	told := webhook{a.serve.hook, a.vendor.shot(row + 1), fmt.Sprintf("https://bench.test/%d", row+1)}
	a.answered[row], err = told.post(ctx, a.client)
	return err
}
