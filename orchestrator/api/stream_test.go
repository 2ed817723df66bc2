package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// receivedEvent is an event of a stream.
type receivedEvent struct {
	id, kind string
	data     map[string]any
}

// listener reads a stream like a browser.
type listener struct {
	t    *testing.T
	body *bufio.Scanner
	last string // the Last-Event-ID
	end  context.CancelFunc
}

// listen opens a stream. The response must begin at once.
func (r *rig) listen(url string, header ...string) *listener {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	r.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { response.Body.Close() })
	r.contract.check(r.t, r.mux, request, reply{r.t, response.StatusCode, response.Header, []byte("(a stream)")})
	if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != "no-store" {
		r.t.Fatalf("%d, %v", response.StatusCode, response.Header)
	}
	return &listener{t: r.t, body: bufio.NewScanner(response.Body), end: cancel}
}

// next returns the next event, and false at the end of the stream.
func (l *listener) next() (e receivedEvent, more bool) {
	l.t.Helper()
	for l.body.Scan() {
		field, value, _ := strings.Cut(l.body.Text(), ": ")
		switch field {
		case "id":
			e.id, l.last = value, value
		case "event":
			e.kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				l.t.Fatalf("%s: %v", value, err)
			}
		case "":
			if e.data != nil {
				return e, true
			}
		}
	}
	return e, false
}

// want reads events, checks their types and returns them.
func (l *listener) want(kinds ...string) (events []receivedEvent) {
	l.t.Helper()
	for _, kind := range kinds {
		e, more := l.next()
		if !more || e.kind != kind {
			l.t.Fatalf("after %d events: %v, %v, want %s", len(events), e, more, kind)
		}
		events = append(events, e)
	}
	return events
}

func TestStreamSendsEvents(t *testing.T) {
	r := newRig(t, nil)
	ids := make([]string, 3)
	for i := range ids {
		ids[i] = r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a%d.test", i)}).want(202)["id"].(string)
	}
	r.closeJob(ids[0], jobs.Done, "s0") // before any stream is open
	all := r.listen(r.url + "/v1/events")
	job := r.listen(r.url + "/v1/events?job=" + ids[2])
	batch := r.listen(r.url + "/v1/events?batch=" + r.job(ids[2]).ID.Batch + "&type=batch.finished,job.late")
	r.closeJob(ids[1], jobs.Failed, "s1")
	r.closeJob(ids[2], jobs.Done, "s2")

	events := all.want("job.failed", "batch.finished", "job.done", "batch.finished")
	data := events[2].data["data"].(map[string]any)
	if data["id"] != ids[2] || data["state"] != "done" || data["image_url"] != "/v1/jobs/"+ids[2]+"/image" || events[2].data["type"] != "job.done" {
		t.Errorf("got the event %v", events[2].data)
	}
	page, _, err := r.store.Events(t.Context(), jobs.EventFilter{After: 4})
	if err != nil || len(page) != 2 || events[2].id != strconv.FormatInt(page[0].Seq, 10) || events[2].data["id"] != page[0].ID() {
		t.Errorf("the log has %v, the stream sent %v, %v", page, events[2], err)
	}
	job.want("job.done")
	if e := batch.want("batch.finished")[0]; e.data["data"].(map[string]any)["batch_id"] != r.job(ids[2]).ID.Batch {
		t.Errorf("got the event %v", e.data)
	}
}

func TestStreamContinuesWithLastEventID(t *testing.T) {
	r := newRig(t, nil)
	ids := make([]string, 3)
	for i := range ids {
		ids[i] = r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a%d.test", i)}).want(202)["id"].(string)
	}
	first := r.listen(r.url+"/v1/events", "Last-Event-ID", "0")
	r.closeJob(ids[0], jobs.Done, "s0")
	first.want("job.done")
	first.end()
	r.closeJob(ids[1], jobs.Failed, "s1") // while no stream is open

	// Another process continues the stream. The header takes precedence over the
	// query.
	again := r.listen(r.anotherProcess()+"/v1/events?after=0", "Last-Event-ID", first.last)
	again.want("batch.finished", "job.failed", "batch.finished")
	r.closeJob(ids[2], jobs.Done, "s2")
	again.want("job.done", "batch.finished")
	r.listen(r.url+"/v1/events?after=0").want("job.done", "batch.finished", "job.failed", "batch.finished", "job.done", "batch.finished")
}

func TestStreamContinuesBeforeItsFirstEvent(t *testing.T) {
	r := newRig(t, nil)
	ids := make([]string, 2)
	for i := range ids {
		ids[i] = r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a%d.test", i)}).want(202)["id"].(string)
	}
	r.closeJob(ids[0], jobs.Done, "s0")
	first := r.listen(r.url + "/v1/events")
	for first.last == "" && first.body.Scan() {
		if place, found := strings.CutPrefix(first.body.Text(), "id: "); found {
			first.last = place
		}
	}
	first.end()
	r.closeJob(ids[1], jobs.Done, "s1")
	r.listen(r.url+"/v1/events", "Last-Event-ID", first.last).want("job.done", "batch.finished")
	if first.last != "2" {
		t.Errorf("the stream began at %q, want 2", first.last)
	}
}

// prunedStore is a log whose oldest events are not kept any more.
type prunedStore struct{ Store }

func (prunedStore) EventRange(context.Context) (oldest, newest int64, err error) { return 3, 4, nil }

func TestStreamGap(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Store = prunedStore{c.Store} })
	for i := range 2 {
		id := r.do("POST", "/v1/jobs", JobRequest{URL: fmt.Sprintf("a%d.test", i)}).want(202)["id"].(string)
		r.closeJob(id, jobs.Done, fmt.Sprintf("s%d", i))
	}
	gap := r.listen(r.url + "/v1/events?after=1")
	if e := gap.want("gap", "job.done", "batch.finished"); e[0].data["after"] != 1.0 || e[0].data["next"] != 2.0 || e[0].id != "2" || e[1].id != "3" {
		t.Errorf("got the events %v", e)
	}
	if e := r.listen(r.url + "/v1/events?after=99").want("gap"); e[0].data["after"] != 99.0 || e[0].data["next"] != 4.0 {
		t.Errorf("got the events %v", e)
	}
	r.listen(r.url+"/v1/events?after=2").want("job.done", "batch.finished")
}

func TestStreamHeartbeat(t *testing.T) {
	r := newRig(t, func(c *Config) { c.heartbeat = time.Millisecond })
	one := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	other := r.do("POST", "/v1/jobs", JobRequest{URL: "b.test"}).want(202)["id"].(string)
	quiet := r.listen(r.url + "/v1/events?job=" + one)
	r.closeJob(other, jobs.Done, "s1")
	beats, place := 0, ""
	for beats < 5 || place != "2" {
		if !quiet.body.Scan() {
			t.Fatal("the stream ended")
		}
		switch line := quiet.body.Text(); {
		case line == ":":
			beats++
		case strings.HasPrefix(line, "id: "):
			place = strings.TrimPrefix(line, "id: ") // the position advances without events
		case line != "":
			t.Fatalf("got the line %q", line)
		}
	}
}

func TestRefusedStreams(t *testing.T) {
	r := newRig(t, nil)
	for _, wrong := range []string{"x", "-1", "1.5", "99999999999999999999", "evt_1_1"} {
		r.do("GET", "/v1/events?after="+wrong, nil).problem(422, "query.after", "id of an event")
		r.do("GET", "/v1/events", nil, "Last-Event-ID", wrong).problem(422, "header.Last-Event-ID", "header.Last-Event-ID: want the id of an event")
	}
	r.do("GET", "/v1/events?type=job.gone", nil).problem(422, "query.type[0]", "job.late")
	r.do("GET", "/v1/events?batch=nobody", nil).problem(404, "", "no batch")
	r.do("GET", "/v1/events?job=nobody-1", nil).problem(404, "", "no job")
	r.do("GET", "/v1/events?job=nobody", nil).problem(404, "", "no such job")
	r.api.streams = newSlots("event streams", 1, false, r.config.Metrics.streams)
	open := r.listen(r.url + "/v1/events")
	r.do("GET", "/v1/events", nil).problem(503, "", "already 1 event streams")
	open.end()
	r.until("the slot is free", func() bool { return r.api.streams.count() == 0 })
}

func TestStreamTypes(t *testing.T) {
	r := newRig(t, nil)
	var types []any
	for _, p := range r.contract.doc.Paths["/v1/events"].Get.Parameters {
		if p.Name == "type" {
			types = p.Schema.Items.Enum
		}
	}
	want := make([]any, len(jobs.EventTypes))
	for i, kind := range jobs.EventTypes {
		want[i] = string(kind)
	}
	if fmt.Sprint(types) != fmt.Sprint(want) {
		t.Errorf("the contract has the types %v, want %v", types, want)
	}
}

func TestStreamEndsWithTheProcess(t *testing.T) {
	r := newRig(t, nil)
	stream := r.listen(r.url + "/v1/events")
	r.work.Drain()
	if e, more := stream.next(); more || stream.body.Err() != nil {
		t.Errorf("got %v, %v, want the end of the stream", e, stream.body.Err())
	}
}

// TestClientThatDoesNotReadIsDisconnected checks that events for a client that
// does not read are not buffered without limit.
func TestClientThatDoesNotReadIsDisconnected(t *testing.T) {
	r := newRig(t, func(c *Config) { c.step = 50 * time.Millisecond })
	many := make([]any, 300)
	for i := range many {
		many[i] = map[string]any{"url": fmt.Sprintf("a%d.test/%s", i, strings.Repeat("x", 1500))}
	}
	batch := r.do("POST", "/v1/batches", map[string]any{"jobs": many}).want(202)["batch_id"].(string)
	r.do("POST", "/v1/batches/"+batch+"/cancel", nil).want(200)
	conn, err := net.Dial("tcp", strings.TrimPrefix(startServer(t, r.api.handler(), 0), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r.until("the stream is open", func() bool { return r.api.streams.count() == 1 })
	r.until("the client was disconnected", func() bool { return r.api.streams.count() == 0 })
}

// flakyStore fails to read a job once.
type flakyStore struct {
	Store
	fails chan struct{}
}

func (f flakyStore) Job(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	select {
	case <-f.fails:
		return jobs.Job{}, errors.New("disk error")
	default:
		return f.Store.Job(ctx, id)
	}
}

func TestStreamContinuesAfterAnError(t *testing.T) {
	fails := make(chan struct{}, 1)
	r := newRig(t, func(c *Config) { c.Store = flakyStore{c.Store, fails} })
	id := r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)["id"].(string)
	r.closeJob(id, jobs.Done, "s0")
	fails <- struct{}{}
	broken := r.listen(r.url + "/v1/events?after=0")
	if e, more := broken.next(); more {
		t.Fatalf("got the events %v", e)
	}
	r.listen(r.url+"/v1/events?after=0").want("job.done", "batch.finished")
}
