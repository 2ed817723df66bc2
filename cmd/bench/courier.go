package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"shotline/receiver/signature"
)

const (
	couriers = 64
	backlog  = 100_000 // webhooks that wait, so that no create waits for them
)

// courier sends webhooks, a few at a time, over connections that are kept.
type courier struct {
	client  *http.Client
	backlog chan webhook
	working sync.WaitGroup

	mu     sync.Mutex
	taken  int
	failed error // the first that was not: none is sent twice
}

// webhook tells of a screenshot that is finished.
type webhook struct {
	hook string
	shot int
	url  string
}

func newCourier() *courier {
	c := &courier{client: keptClient(couriers), backlog: make(chan webhook, backlog)}
	for range couriers {
		c.working.Go(func() {
			for w := range c.backlog {
				_, err := w.post(context.Background(), c.client)
				c.note(err)
			}
		})
	}
	return c
}

// keptClient keeps so many connections.
func keptClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}, Timeout: soon}
}

func (c *courier) send(w webhook) { c.backlog <- w }

func (c *courier) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.taken++
	} else if c.failed == nil {
		c.failed = err
	}
}

// tally is how many webhooks were taken, and what became of the first that was not.
func (c *courier) tally() (taken int, failed error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken, c.failed
}

func (c *courier) close() {
	close(c.backlog)
	c.working.Wait()
	c.client.CloseIdleConnections()
}

// post sends one, and returns when it was answered.
func (w webhook) post(ctx context.Context, client *http.Client) (answered time.Time, err error) {
	body := fmt.Sprintf(`{"event":"screenshot.completed","screenshot_id":"%d","url":"%s","status":"done","image_url":"https://cdn.test/%d.png"}`,
		w.shot, w.url, w.shot)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.hook, strings.NewReader(body))
	if err != nil {
		return time.Time{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Signature", signature.Sign(secret, []byte(body)))
	response, err := client.Do(request)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	answered = time.Now()
	if response.StatusCode != http.StatusOK {
		return answered, fmt.Errorf("a webhook was answered %s", response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return answered, err
}
