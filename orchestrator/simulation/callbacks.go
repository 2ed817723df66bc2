package simulation

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shotline/jobs"
)

// eventEntry is a row of the event log, with the data that decide which targets
// receive it.
type eventEntry struct {
	seq, at, row      int64
	kind, batch, url  string
	rowURL            string // of the job's row
	state             string // that a late result or a correction led to
	single, isJob     bool
	attempt, revision int
	newest            bool // the batch has finished with this revision, and has not changed since
	flawed            bool // some of its rows have no image
}

const selectEntry = `SELECT e.seq, e.at, coalesce(e.job_seq & 4294967295, 0), e.type, e.state, coalesce(b.id, ''), coalesce(b.callback_url, ''),
	coalesce(b.single, 0), e.job_seq IS NOT NULL, e.attempt, e.revision,
	coalesce(b.state = 'finished' AND b.revision = e.revision, 0), coalesce(b.failed + b.timed_out + b.canceled + b.rejected > 0, 0),
	coalesce(j.callback_url, '')
	FROM events e LEFT JOIN batches b ON b.seq = e.batch_seq LEFT JOIN jobs j ON j.seq = e.job_seq`

func (c *checker) events(where string, args ...any) (found []eventEntry) {
	c.each(func(scan func(...any)) {
		var e eventEntry
		scan(&e.seq, &e.at, &e.row, &e.kind, &e.state, &e.batch, &e.url, &e.single, &e.isJob, &e.attempt, &e.revision, &e.newest, &e.flawed, &e.rowURL)
		found = append(found, e)
	}, selectEntry+where, args...)
	return found
}

// id returns the id of the event in callbacks.
func (e eventEntry) id() string { return fmt.Sprintf("evt_%d_%d", e.at, e.seq) }

// subscribed reports whether the target must receive the event, and whether it
// may.
func (e eventEntry) subscribed(p profile, url string) (must, may bool) {
	switch url {
	case addressOf(jobs.Target{Sink: "log"}):
		return p.hasSink("log"), p.hasSink("log")
	case addressOf(jobs.Target{Sink: "alarm"}):
		switch {
		case !p.hasSink("alarm"):
			return false, false
		case e.isJob:
			wanted := e.kind == "job.failed" || e.kind == "job.timed_out" || e.kind == "job.corrected"
			return wanted, wanted
		case e.batch == "" || e.single:
			return false, false
		case e.kind == "batch.paused":
			return false, true // no callback if the batch was resumed in the meantime
		}
		// If the batch has changed since, its next end is reported instead.
		return e.newest && e.flawed, !e.newest || e.flawed
	}
	wanted := e.url != "" && url == e.url && e.single == e.isJob || e.rowURL != "" && url == e.rowURL
	return wanted, wanted
}

// message holds the fields of a callback that can be checked.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		ID        string `json:"id"`
		BatchID   string `json:"batch_id"`
		State     string `json:"state"`
		Attempt   int    `json:"attempt"`
		Revision  int    `json:"revision"`
		Late      any    `json:"late"` // for a batch the number of late jobs
		Corrected any    `json:"corrected"`
	} `json:"data"`
}

// checkCallback checks a callback that arrives: it must be signed, agree with a
// committed event, and go to a target that has subscribed to the event.
func (c *checker) checkCallback(url string, header http.Header, body []byte) {
	fail := func(format string, args ...any) {
		c.w.fail("P5", "%s received %s: %s", url, header.Get("webhook-id"), fmt.Sprintf(format, args...))
	}
	verifier, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		panic(err)
	}
	if err := verifier.Verify(body, header); err != nil {
		fail("%v", err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		fail("%v: %q", err, body)
		return
	}
	var at, seq int64
	if _, err := fmt.Sscanf(header.Get("webhook-id"), "evt_%d_%d", &at, &seq); err != nil {
		fail("the id is not that of an event")
		return
	}
	events := c.events(` WHERE e.seq = ?`, seq)
	if len(events) != 1 || events[0].id() != header.Get("webhook-id") {
		fail("the event is not committed")
		return
	}
	e := events[0]
	if _, may := e.subscribed(c.w.profile, url); !may {
		fail("%s, to which it has not subscribed", e.kind)
	}
	if problem := e.mismatch(m); problem != "" {
		fail("%s: %s", problem, body)
	}
}

// mismatch describes how a message differs from the event. It returns "" if they
// agree.
func (e eventEntry) mismatch(m message) string {
	state := strings.TrimPrefix(e.kind, "job.")
	switch {
	case m.Type != e.kind || m.Timestamp.UnixMilli() != e.at:
		return "another event"
	case e.batch == "":
		return ""
	case e.kind == "batch.paused":
		if m.Data.BatchID != e.batch || m.Data.State != "paused" {
			return "not about the paused batch"
		}
		return ""
	case !e.isJob && (m.Data.BatchID != e.batch || m.Data.Revision != e.revision || m.Data.State != "finished"):
		return "not about this end of the batch"
	case !e.isJob:
		return ""
	case m.Data.ID != fmt.Sprintf("%s-%d", e.batch, e.row) || m.Data.BatchID != e.batch:
		return "another job"
	case e.kind == "job.late" || e.kind == "job.corrected":
		switch {
		case e.kind == "job.late" && m.Data.Late != true, e.kind == "job.corrected" && m.Data.Corrected != true:
			return "not late, or not corrected"
		case m.Data.State != e.state || e.kind == "job.late" && e.state != "done" && e.state != "failed":
			return "not the state that the event is about"
		}
		return ""
	case e.kind == "job.amended":
		state = e.state
	case e.kind == "job.retried":
		state = "queued"
		if m.Data.State == "pending" { // the job waits again for the screenshot it had
			state = "pending"
		}
	}
	if m.Data.State != state || m.Data.Attempt != e.attempt {
		return "not the state that the event is about"
	}
	return ""
}

// undelivered names a callback or an event that is not yet delivered. It returns
// "" if there is none.
func (c *checker) undelivered() string {
	return c.text(`SELECT coalesce((SELECT 'callback ' || event_id || ' to ' || sink || url FROM callbacks WHERE state = 'owed' LIMIT 1),
		(SELECT 'event ' || e.seq || ' to ' || r.name FROM readers r JOIN events e ON e.seq > r.place LIMIT 1), '')`)
}

// auditCallbacks checks that each subscribed target has a callback that was
// delivered, or is dead because its retries ran out or the target answered 410.
// No other callbacks may exist.
func (c *checker) auditCallbacks() {
	kept := map[callbackKey]callbackEntry{}
	c.each(func(scan func(...any)) {
		var entry callbackEntry
		var to jobs.Target
		var id string
		scan(&id, &to.Sink, &to.URL, &entry.state, &entry.attempts, &entry.first, &entry.settled)
		kept[callbackKey{id, addressOf(to)}] = entry
	}, `SELECT event_id, sink, url, state, attempts, first_at, settled_at FROM callbacks`)
	for _, e := range c.events("") {
		for _, url := range []string{addressOf(jobs.Target{Sink: "log"}), addressOf(jobs.Target{Sink: "alarm"}), e.url, e.rowURL} {
			key := callbackKey{e.id(), url}
			entry, there := kept[key]
			delete(kept, key)
			switch must, may := e.subscribed(c.w.profile, url); {
			case must && !there:
				c.w.fail("P5", "%s subscribed to %s %s, but has no callback for it", url, e.kind, key.id)
			case there && !may:
				c.w.fail("P5", "%s has a callback for %s %s without a subscription", url, e.kind, key.id)
			case there:
				c.auditCallback(key, entry)
			}
		}
	}
	for key := range kept {
		c.w.fail("P5", "%s has a callback for %s, which is not in the log", key.url, key.id)
	}
}

type callbackEntry struct {
	state          string
	attempts       int
	first, settled sql.NullInt64
}

func (c *checker) auditCallback(key callbackKey, entry callbackEntry) {
	taken, gone := c.w.targets.result(key)
	switch {
	case entry.state == "delivered" && !taken:
		c.w.fail("P5", "%s to %s is delivered, but the target did not accept it", key.id, key.url)
	case entry.state == "dead" && !gone && !entry.exhausted():
		c.w.fail("P5", "%s to %s was given up after %d attempts in %d ms", key.id, key.url, entry.attempts, entry.settled.Int64-entry.first.Int64)
	case entry.state == "owed":
		c.w.fail("P5", "%s to %s is still undelivered", key.id, key.url)
	}
}

// exhausted reports whether the next attempt would have come after the retry
// period. It assumes the longest delay that the schedule or a Retry-After allows.
func (c callbackEntry) exhausted() bool {
	wait := 5 * time.Second
	for range c.attempts - 1 {
		wait *= 3
	}
	wait = max(wait+wait/5, longestDelay)
	return time.Duration(c.settled.Int64-c.first.Int64)*time.Millisecond+wait > callbackRetry
}
