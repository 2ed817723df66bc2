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

// orderTime is how long an order is repeated: a serve that was killed while a batch
// came in keeps its key for a quarter of that.
const orderTime = 4 * jobs.WorkerAlive

// order asks for a job or a batch over HTTP, to be called back, and asks again
// under the same key until a serve has answered.
func order(r *rig, random *rand.Rand) {
	single := random.IntN(3) > 0
	n := 1
	if !single {
		n = 2 + random.IntN(20)
	}
	file := r.book.write(random, n)
	file.single, file.called = single, true
	hook := r.ear.url + orderPath + file.tag
	path, kind, body := "/v1/batches?tag="+file.tag+"&callback_url="+url.QueryEscape(hook), "text/csv", file.csv(0, n)
	if single {
		only := &file.rows[0]
		if only.kind == rejected { // the API would not take it
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
			r.breaks("%v", err)
			return
		}
		path, kind, body = "/v1/jobs", "application/json", string(text)
	}
	var accepted struct {
		ID string `json:"batch_id"`
	}
	status := 0
	for end := time.Now().Add(orderTime); time.Now().Before(end) && !r.broken.Load(); {
		var answer []byte
		var err error
		status, answer, err = r.post(r.slots[random.IntN(len(r.slots))], path, kind, file.tag, body)
		switch {
		case err != nil || status == http.StatusConflict || status >= 500: // nobody there, or killed, or still busy with the first request
			time.Sleep(50 * time.Millisecond)
		case (status == http.StatusAccepted || status == http.StatusOK) && json.Unmarshal(answer, &accepted) == nil:
			r.book.knows(file, accepted.ID)
			return
		default:
			r.violates("orders are taken", subject{}, "%s was answered %d: %s", file.tag, status, answer)
			return
		}
	}
	r.violates("orders are taken", subject{}, "%s: no serve would take it, the last answer was %d", file.tag, status)
}

// post asks one of the serves.
func (r *rig) post(s *slot, path, kind, key, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+s.api+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", kind)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := r.gate.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// checkCallbacks wants every event told to those who asked for it, under its one
// id, and to nobody else.
func checkCallbacks(r *rig, v *view) {
	r.ear.mu.Lock()
	defer r.ear.mu.Unlock()
	for _, flaw := range r.ear.flaws {
		r.violates("P5", subject{}, "%s", flaw)
	}
	owed := map[call]bool{}
	for _, e := range v.log {
		owed[call{e.id, sinkPath}] = true
		if file := r.book.of(e.batch); file != nil && file.called && file.single == (e.row > 0) {
			owed[call{e.id, orderPath + file.tag}] = true
		}
	}
	for c := range owed {
		if one := r.ear.heard[c]; one == nil || !one.taken && !one.gone {
			r.violates("P5", subject{}, "%s was not told of %s", c.path, c.id)
		}
	}
	for c := range r.ear.heard {
		if !owed[c] {
			r.violates("P5", subject{}, "%s was told of %s, which it had not asked for", c.path, c.id)
		}
	}
	for _, c := range v.callbacks {
		one := r.ear.heard[c.call]
		switch {
		case !owed[c.call]:
			r.violates("P5", subject{}, "%s is owed %s, which it had not asked for", c.path, c.id)
		case c.state == "delivered" && (one == nil || !one.taken), c.state == "dead" && (one == nil || !one.gone), c.state == "owed":
			r.violates("P5", subject{}, "%s to %s is %s, and the ear heard %+v", c.id, c.path, c.state, one)
		}
	}
	if len(v.callbacks) != len(owed) {
		r.violates("P5", subject{}, "%d callbacks for %d that were asked for", len(v.callbacks), len(owed))
	}
}

// logged is a row of the table events.
type logged struct {
	id, batch string
	row       int64
}

// owing is a row of the table callbacks.
type owing struct {
	call
	state string
}

func readCallbacks(o *observer, earURL string, v *view) {
	o.each(`SELECT e.at, e.seq, b.id, e.job_seq & 4294967295 FROM events e JOIN batches b ON b.seq = e.batch_seq ORDER BY e.seq`, func(c []string) {
		v.log = append(v.log, logged{fmt.Sprintf("evt_%s_%s", c[0], c[1]), c[2], number(c[3])})
	})
	o.each(`SELECT event_id, url, state FROM callbacks`, func(c []string) {
		path := sinkPath
		if c[1] != "" {
			path = strings.TrimPrefix(c[1], earURL)
		}
		v.callbacks = append(v.callbacks, owing{call{c[0], path}, c[2]})
	})
}
