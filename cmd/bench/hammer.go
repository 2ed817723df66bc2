package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hammer sends webhooks as fast as they are answered, over connections that are
// kept. It does as little as it can beside: it shares the machine with those that
// it measures.
type hammer struct {
	address     string // of the receiver
	connections int
	first, last int           // rows whose webhooks are sent, each once
	again       float64       // this part of all requests repeats an earlier one
	onward      bool          // after the last row repeat until time is up
	most        time.Duration // stop then; 0 means after the last row

	next atomic.Int64 // row
	stop atomic.Bool
}

// hammered is what came of it.
type hammered struct {
	latencies
	fresh   int           // requests that told of a row for the first time
	took    time.Duration // until the last answer
	refused int           // answers that were not 200
}

// perSecond is how many requests were answered.
func (h *hammered) perSecond() float64 { return float64(len(h.latencies)) / h.took.Seconds() }

// run returns when all webhooks are answered.
func (h *hammer) run(ctx context.Context) (*hammered, error) {
	h.next.Store(int64(h.first))
	results := make([]hammered, h.connections)
	errs := make([]error, h.connections)
	end := context.AfterFunc(ctx, func() { h.stop.Store(true) })
	defer end()
	began := time.Now()
	if h.most > 0 {
		defer time.AfterFunc(h.most, func() { h.stop.Store(true) }).Stop()
	}
	var hammering sync.WaitGroup
	for i := range h.connections {
		hammering.Go(func() {
			errs[i] = h.connection(uint64(i), &results[i])
			if errs[i] != nil {
				h.stop.Store(true)
			}
		})
	}
	hammering.Wait()
	all := &hammered{took: time.Since(began)}
	for _, r := range results {
		all.latencies = append(all.latencies, r.latencies...)
		all.fresh += r.fresh
		all.refused += r.refused
	}
	slices.Sort(all.latencies)
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, err
	}
	if len(all.latencies) == 0 {
		return nil, errors.New("nothing was sent")
	}
	return all, nil
}

// connection is one sender.
func (h *hammer) connection(seed uint64, result *hammered) error {
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	draw := rand.New(rand.NewPCG(1, seed))
	requests := newRequest(h.address)
	for !h.stop.Load() {
		row := int(h.next.Load()) - 1 // the newest that somebody sent
		fresh := h.again == 0 || row < h.first || draw.Float64() >= h.again
		if fresh {
			row = int(h.next.Add(1)) - 1
		}
		if row > h.last {
			fresh = false
			if !h.onward {
				return nil
			}
			row = h.last - draw.IntN(h.last-h.first+1)
		}
		began := time.Now()
		if _, err := conn.Write(requests.of(row)); err != nil {
			return err
		}
		status, err := readAnswer(answers)
		if err != nil {
			return err
		}
		result.latencies = append(result.latencies, time.Since(began))
		switch {
		case status != 200:
			result.refused++
		case fresh:
			result.fresh++
		}
	}
	return nil
}

// request makes the bytes of requests, one at a time.
type request struct {
	head string
	mac  hash.Hash
	body []byte
	sum  []byte
	text []byte
}

func newRequest(host string) *request {
	return &request{
		head: "POST /webhooks/screenshotcenter HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: ScreenshotCenter-Webhook/1.0\r\n" +
			"Content-Type: application/json\r\nX-ScreenshotCenter-Event: screenshot.completed\r\nX-ScreenshotCenter-Signature: sha256=",
		mac: hmac.New(sha256.New, []byte(secret)),
	}
}

// of is the request that tells of a row. Its bytes are good until the next one.
func (w *request) of(row int) []byte {
	shot := shotOf(row)
	w.body = append(w.body[:0], `{"event":"screenshot.completed","screenshot_id":"`...)
	w.body = append(w.body, shot...)
	w.body = append(w.body, `","url":"https://shop.test/products/`...)
	w.body = strconv.AppendInt(w.body, int64(row), 10)
	w.body = append(w.body, `","status":"done","image_url":"https://cdn.screenshotcenter.test/2026/11/28/`...)
	w.body = append(w.body, shot...)
	w.body = append(w.body, `.png","created_at":"2026-11-28T11:00:00Z"}`...)
	w.mac.Reset()
	w.mac.Write(w.body)
	w.sum = w.mac.Sum(w.sum[:0])
	w.text = append(w.text[:0], w.head...)
	w.text = hex.AppendEncode(w.text, w.sum)
	w.text = append(w.text, "\r\nContent-Length: "...)
	w.text = strconv.AppendInt(w.text, int64(len(w.body)), 10)
	w.text = append(w.text, "\r\n\r\n"...)
	w.text = append(w.text, w.body...)
	return w.text
}

// readAnswer reads one response that has a length.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("an answer begins %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if strings.EqualFold(string(name), "Content-Length") {
			if length, err = strconv.Atoi(textproto.TrimString(string(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("an answer has no length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, err
}
