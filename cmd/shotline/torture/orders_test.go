package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"shotline/jobs"
)

// orderTimeout is how long an order is repeated. If a serve is killed while it
// receives a batch, the idempotency key stays in use for a quarter of this time.
const orderTimeout = 4 * jobs.WorkerAlive

// order creates a job or a batch with a callback URL over HTTP. It repeats the
// request with the same idempotency key until a serve has responded.
func order(r *rig, random *rand.Rand) {
	single := random.IntN(3) > 0
	n := 1
	if !single {
		n = 2 + random.IntN(20)
	}
	file := r.inputs.generate(random, n)
	file.single, file.hasCallback = single, true
	hook := r.target.url + orderPath + file.tag
	path, kind, body := "/v1/batches?tag="+file.tag+"&callback_url="+url.QueryEscape(hook), "text/csv", file.csv(0, n)
	if single {
		only := &file.rows[0]
		if only.kind == rejected { // the API would refuse it
			*only = row{kind: good, url: "https://shop.shotline.test/" + file.tag + "/1"}
		}
		params := map[string]string{}
		if only.size != "" {
			params["size"] = only.size
		}
		if only.kind == refused {
			params["script"] = storedScript
		}
		text, err := json.Marshal(map[string]any{"url": only.url, "params": params, "callback_url": hook})
		if err != nil {
			r.fail("%v", err)
			return
		}
		path, kind, body = "/v1/jobs", "application/json", string(text)
	}
	var accepted struct {
		ID string `json:"batch_id"`
	}
	status := 0
	for end := time.Now().Add(orderTimeout); time.Now().Before(end) && !r.failed.Load(); {
		var answer []byte
		var err error
		status, answer, err = r.post(r.slots[random.IntN(len(r.slots))], path, kind, file.tag, body)
		switch {
		case err != nil || status == http.StatusConflict || status >= 500: // no serve is running, it was killed, or the first request is still in progress
			time.Sleep(50 * time.Millisecond)
		case (status == http.StatusAccepted || status == http.StatusOK) && json.Unmarshal(answer, &accepted) == nil:
			r.inputs.accepted(file, accepted.ID)
			return
		default:
			r.violated("orders are accepted", ref{}, "%s: status %d: %s", file.tag, status, answer)
			return
		}
	}
	r.violated("orders are accepted", ref{}, "%s: no serve accepted it, last status %d", file.tag, status)
}

// post sends a request to a serve.
func (r *rig) post(s *slot, path, kind, key, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+s.api+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", kind)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := r.proxy.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// checkCallbacks checks that every event was delivered with its id to its
// subscribers, and only to them.
func checkCallbacks(r *rig, v *view) {
	r.target.mu.Lock()
	defer r.target.mu.Unlock()
	for _, text := range r.target.errors {
		r.violated("P5", ref{}, "%s", text)
	}
	want := map[call]bool{}
	for _, e := range v.log {
		want[call{e.id, sinkPath}] = true
		if file := r.inputs.of(e.batch); file != nil && file.hasCallback && file.single == (e.row > 0) {
			want[call{e.id, orderPath + file.tag}] = true
		}
	}
	for c := range want {
		if got := r.target.calls[c]; got == nil || !got.accepted && !got.gone {
			r.violated("P5", ref{}, "%s did not receive %s", c.path, c.id)
		}
	}
	for c := range r.target.calls {
		if !want[c] {
			r.violated("P5", ref{}, "%s received %s, which it is not subscribed to", c.path, c.id)
		}
	}
	for _, c := range v.callbacks {
		got := r.target.calls[c.call]
		switch {
		case !want[c.call]:
			r.violated("P5", ref{}, "there is a callback to %s for %s, which it is not subscribed to", c.path, c.id)
		case c.state == "delivered" && (got == nil || !got.accepted), c.state == "dead" && (got == nil || !got.gone), c.state == "owed":
			r.violated("P5", ref{}, "%s to %s is %s, but the target received %+v", c.id, c.path, c.state, got)
		}
	}
	if len(v.callbacks) != len(want) {
		r.violated("P5", ref{}, "got %d callbacks, want %d", len(v.callbacks), len(want))
	}
}

// eventRow is a row of the table events.
type eventRow struct {
	id, batch string
	row       int64
}

// callbackRow is a row of the table callbacks.
type callbackRow struct {
	call
	state string
}

func readCallbacks(db *database, targetURL string, v *view) {
	db.each(`SELECT e.at, e.seq, b.id, e.job_seq & 4294967295 FROM events e JOIN batches b ON b.seq = e.batch_seq ORDER BY e.seq`, func(c []string) {
		v.log = append(v.log, eventRow{fmt.Sprintf("evt_%s_%s", c[0], c[1]), c[2], number(c[3])})
	})
	db.each(`SELECT event_id, url, state FROM callbacks`, func(c []string) {
		path := sinkPath
		if c[1] != "" {
			path = strings.TrimPrefix(c[1], targetURL)
		}
		v.callbacks = append(v.callbacks, callbackRow{call{c[0], path}, c[2]})
	})
}
