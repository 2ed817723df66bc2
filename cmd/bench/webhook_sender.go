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
	senderConnections = 64
	backlogSize       = 100_000 // webhooks that can be queued, enough that no create blocks on a full queue
)

// webhookSender sends the vendor's webhooks over a fixed number of kept-alive
// connections. It sends each webhook once, and does not repeat a failed one.
type webhookSender struct {
	client  *http.Client
	backlog chan webhook
	working sync.WaitGroup

	mu       sync.Mutex
	accepted int
	failed   error // error of the first webhook that was not accepted
}

// webhook reports a finished screenshot.
type webhook struct {
	hook string
	shot int
	url  string
}

func newWebhookSender() *webhookSender {
	c := &webhookSender{client: keptClient(senderConnections), backlog: make(chan webhook, backlogSize)}
	for range senderConnections {
		c.working.Go(func() {
			for w := range c.backlog {
				_, err := w.post(context.Background(), c.client)
				c.record(err)
			}
		})
	}
	return c
}

// keptClient returns a client that keeps up to that many connections alive.
func keptClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}, Timeout: shortTimeout}
}

func (c *webhookSender) send(w webhook) { c.backlog <- w }

func (c *webhookSender) record(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.accepted++
	} else if c.failed == nil {
		c.failed = err
	}
}

// counts returns how many webhooks were accepted, and the error of the first one
// that was not.
func (c *webhookSender) counts() (accepted int, failed error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.failed
}

func (c *webhookSender) close() {
	close(c.backlog)
	c.working.Wait()
	c.client.CloseIdleConnections()
}

// post sends the webhook, and returns the time at which its answer arrived.
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
