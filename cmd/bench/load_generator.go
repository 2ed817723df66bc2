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

// loadGenerator sends webhooks over kept-alive connections, the next one on each
// as soon as the previous one is answered. It shares the machine with the process
// that it measures, so it builds requests and parses responses by hand to use
// little CPU.
type loadGenerator struct {
	address         string // host and port of the receiver
	connections     int
	first, last     int           // rows whose webhooks are sent, each once
	repeatPart      float64       // part of all requests that repeat an earlier webhook
	repeatAfterLast bool          // whether to continue with repeats after the last row, until the time is up
	limit           time.Duration // limit of the run; if 0, it ends after the last row

	next atomic.Int64 // next row to send
	stop atomic.Bool
}

// loadResult is the result of a run of a loadGenerator.
type loadResult struct {
	latencies
	fresh   int           // accepted requests that were the first one for their row
	took    time.Duration // until the last response
	refused int           // responses with another status than 200
}

// perSecond returns the number of requests that were answered per second.
func (r *loadResult) perSecond() float64 { return float64(len(r.latencies)) / r.took.Seconds() }

// run returns when all webhooks are answered.
func (g *loadGenerator) run(ctx context.Context) (*loadResult, error) {
	g.next.Store(int64(g.first))
	results := make([]loadResult, g.connections)
	errs := make([]error, g.connections)
	end := context.AfterFunc(ctx, func() { g.stop.Store(true) })
	defer end()
	began := time.Now()
	if g.limit > 0 {
		defer time.AfterFunc(g.limit, func() { g.stop.Store(true) }).Stop()
	}
	var sending sync.WaitGroup
	for i := range g.connections {
		sending.Go(func() {
			errs[i] = g.connection(uint64(i), &results[i])
			if errs[i] != nil {
				g.stop.Store(true)
			}
		})
	}
	sending.Wait()
	all := &loadResult{took: time.Since(began)}
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
		return nil, errors.New("no webhook was answered")
	}
	return all, nil
}

// connection sends webhooks over one connection, and adds its figures to result.
func (g *loadGenerator) connection(seed uint64, result *loadResult) error {
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	responses := bufio.NewReader(conn)
	random := rand.New(rand.NewPCG(1, seed))
	requests := newRequest(g.address)
	for !g.stop.Load() {
		row := int(g.next.Load()) - 1 // the newest row that any connection has sent
		fresh := g.repeatPart == 0 || row < g.first || random.Float64() >= g.repeatPart
		if fresh {
			row = int(g.next.Add(1)) - 1
		}
		if row > g.last {
			fresh = false
			if !g.repeatAfterLast {
				return nil
			}
			row = g.last - random.IntN(g.last-g.first+1)
		}
		began := time.Now()
		if _, err := conn.Write(requests.of(row)); err != nil {
			return err
		}
		status, err := readResponse(responses)
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

// request builds the bytes of one request at a time, in reused buffers.
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

// of returns the request with the webhook of a row. Its bytes are valid until the
// next call.
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

// readResponse reads one response that has a Content-Length.
func readResponse(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("malformed response: first line is %q", line)
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
		return 0, errors.New("malformed response: no Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return status, err
}
