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

// awaitLoad is the number of waiting clients, and the rate of the webhooks that
// end their waits.
type awaitLoad struct {
	waits, streams, rate int
}

// awaiting is one measurement: pending jobs, the clients that wait for them, and
// the time at which each client was notified.
type awaiting struct {
	awaitLoad
	serve  *serve
	vendor *vendor
	client *http.Client
	batch  string

	answered []time.Time   // by row: when its webhook was answered
	returned []time.Time   // by row: when the request that waits for it returned
	notified [][]time.Time // by stream and row: when the event arrived
}

// measureAwait measures many waiting requests at a high rate of webhooks.
func measureAwait(ctx context.Context, b *bench) ([]figure, error) {
	a, err := newAwaiting(ctx, b, awaitLoad{waits: 1000, rate: 1000})
	if err != nil {
		return nil, err
	}
	return since(a.answered, a.returned).figures("1,000 waits, 1,000 webhooks/s", atMost(3), atMost(20)), nil
}

// measureWaiters measures twice as many waiting requests, beside streams that
// receive every event.
func measureWaiters(ctx context.Context, b *bench) ([]figure, error) {
	a, err := newAwaiting(ctx, b, awaitLoad{waits: 2000, streams: 200, rate: 200})
	if err != nil {
		return nil, err
	}
	var answered, notified []time.Time
	for _, stream := range a.notified {
		answered, notified = append(answered, a.answered...), append(notified, stream...)
	}
	return append(since(a.answered, a.returned).figures("2,000 waits, 200 webhooks/s", nil, nil),
		since(answered, notified).figures("200 streams, 40,000 events/s", nil, nil)...), nil
}

// newAwaiting submits jobs, connects the waiting requests and streams, and then
// sends the webhooks. It returns when every client has been notified.
func newAwaiting(ctx context.Context, b *bench, l awaitLoad) (_ *awaiting, err error) {
	vendor := newVendor()
	defer vendor.Close()
	serve, err := b.startServe(ctx, b.database("await"), "--base-url", vendor.URL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, serve.stop()) }()
	a := &awaiting{
		awaitLoad: l, serve: serve, vendor: vendor, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		answered: make([]time.Time, l.waits), returned: make([]time.Time, l.waits), notified: make([][]time.Time, l.streams),
	}
	for i := range a.notified {
		a.notified[i] = make([]time.Time, l.waits)
	}
	if err := a.submit(ctx); err != nil {
		return nil, err
	}
	return a, a.listen(ctx)
}

// submit creates the jobs, and returns when all of them are pending.
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
	return a.serve.waitFor(ctx, "all jobs are pending", func() (bool, error) {
		b, err := a.serve.batch(a.batch)
		return b.Pending == a.waits, err
	})
}

// listen connects all clients, sends the webhooks, and returns when every client
// has been notified.
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
	report(a.awaitClients(ctx))
	report(a.sendWebhooks(ctx))
	waiting.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (a *awaiting) awaitClients(ctx context.Context) error {
	return a.serve.waitFor(ctx, "all clients wait", func() (bool, error) {
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

// wait sends one request that waits, and records when it returns.
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
	a.returned[i] = time.Now()
	if !bytes.Contains(text, []byte(`"state":"done"`)) {
		return fmt.Errorf("a wait returned %s", text)
	}
	return nil
}

// follow reads one stream until it has reported all jobs.
func (a *awaiting) follow(ctx context.Context, i int) error {
	response, err := a.get(ctx, "/v1/events?type=job.done")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	prefix := []byte(`"id":"` + a.batch + `-`)
	lines := bufio.NewScanner(response.Body)
	for count := 0; count < a.waits && lines.Scan(); {
		_, after, found := bytes.Cut(lines.Bytes(), prefix)
		if !found {
			continue
		}
		digits, _, _ := bytes.Cut(after, []byte(`"`))
		row, err := strconv.Atoi(string(digits))
		if err != nil {
			return fmt.Errorf("read event of a stream: %w: %s", err, lines.Bytes())
		}
		a.notified[i][row-1] = time.Now()
		count++
	}
	return lines.Err()
}

// sendWebhooks sends the webhooks of all rows, in order and at the rate.
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
	finished := webhook{a.serve.hook, a.vendor.shot(row + 1), fmt.Sprintf("https://bench.test/%d", row+1)}
	a.answered[row], err = finished.post(ctx, a.client)
	return err
}
