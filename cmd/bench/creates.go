package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// bareCreates measures what submission is compared with: a client that sends the
// same creates over that many connections and records nothing. It returns how
// many creates the vendor answers per second.
func bareCreates(ctx context.Context, v *vendor, creates, connections int) (perSecond float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := keptClient(connections)
	defer client.CloseIdleConnections()
	before := len(v.counts().shots)
	var sending sync.WaitGroup
	var next atomic.Int64
	began := time.Now()
	for range connections {
		sending.Go(func() {
			for row := next.Add(1); row <= int64(creates) && ctx.Err() == nil; row = next.Add(1) {
				if err := bareCreate(ctx, client, v, row); err != nil {
					cancel(err)
				}
			}
		})
	}
	sending.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	if screenshots := len(v.counts().shots) - before; screenshots != creates {
		return 0, fmt.Errorf("%d creates made %d screenshots", creates, screenshots)
	}
	return float64(creates) / took.Seconds(), nil
}

func bareCreate(ctx context.Context, client *http.Client, v *vendor, row int64) error {
	query := url.Values{
		"url":  {fmt.Sprintf("https://shop.test/products/%d?utm_source=bench", row)},
		"apps": {"1"},
		"tag":  {fmt.Sprintf("bare-%d-1", row), "bare"},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL+"/screenshot/create?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Data shot `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || answer.Data.ID == 0 {
		return fmt.Errorf("create: response is %s", response.Status)
	}
	return nil
}
