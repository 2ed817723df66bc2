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

// eventEntry is a row of the log with what it takes to know who is to be told.
type eventEntry struct {
	seq, at, row      int64
	kind, batch, url  string
	rowURL            string // of the job's own row
	state             string // that a late result or a correction brought
	single, isJob     bool
	attempt, revision int
	newest            bool // the batch has finished with this revision, and is as it was then
	flawed            bool // and some of its rows have no picture
}

const selectEntry = `SELECT e.seq, e.at, coalesce(e.job_seq & 4294967295, 0), e.type, e.state, coalesce(b.id, ''), coalesce(b.callback_url, ''),
	coalesce(b.single, 0), e.job_seq IS NOT NULL, e.attempt, e.revision,
	coalesce(b.state = 'finished' AND b.revision = e.revision, 0), coalesce(b.failed + b.timed_out + b.canceled + b.rejected > 0, 0),
	coalesce(j.callback_url, '')
	FROM events e LEFT JOIN batches b ON b.seq = e.batch_seq LEFT JOIN jobs j ON j.seq = e.job_seq`

func (b *books) events(where string, args ...any) (found []eventEntry) {
	b.each(func(scan func(...any)) {
		var e eventEntry
		scan(&e.seq, &e.at, &e.row, &e.kind, &e.state, &e.batch, &e.url, &e.single, &e.isJob, &e.attempt, &e.revision, &e.newest, &e.flawed, &e.rowURL)
		found = append(found, e)
	}, selectEntry+where, args...)
	return found
}

// id is what the event is called towards others.
func (e eventEntry) id() string { return fmt.Sprintf("evt_%d_%d", e.at, e.seq) }

// asked reports whether the target is to be told of the event, or may be.
func (e eventEntry) asked(p profile, url string) (must, may bool) {
	switch url {
	case addressOf(jobs.Target{Sink: "log"}):
		return p.has("log"), p.has("log")
	case addressOf(jobs.Target{Sink: "alarm"}):
		switch {
		case !p.has("alarm"):
			return false, false
		case e.isJob:
			wanted := e.kind == "job.failed" || e.kind == "job.timed_out" || e.kind == "job.corrected"
			return wanted, wanted
		case e.batch == "" || e.single:
			return false, false
		case e.kind == "batch.paused":
			return false, true // of one that goes on again nothing is told
		}
		// Of a batch that has gone on the next end will tell.
		return e.newest && e.flawed, !e.newest || e.flawed
	}
	wanted := e.url != "" && url == e.url && e.single == e.isJob || e.rowURL != "" && url == e.rowURL
	return wanted, wanted
}

// message is what a callback says, as far as it can be checked.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		ID        string `json:"id"`
		BatchID   string `json:"batch_id"`
		State     string `json:"state"`
		Attempt   int    `json:"attempt"`
		Revision  int    `json:"revision"`
		Late      any    `json:"late"` // of a batch: how many
		Corrected any    `json:"corrected"`
	} `json:"data"`
}

// called is asked when a callback arrives: it has to be signed, to tell of what
// is in the log by then, as it was, and to go to who asked for it.
func (b *books) called(url string, header http.Header, body []byte) {
	fail := func(format string, args ...any) {
		b.w.fail("P5", "%s was told of %s: %s", url, header.Get("webhook-id"), fmt.Sprintf(format, args...))
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
		fail("an id of no event")
		return
	}
	events := b.events(` WHERE e.seq = ?`, seq)
	if len(events) != 1 || events[0].id() != header.Get("webhook-id") {
		fail("no such event is committed")
		return
	}
	e := events[0]
	if _, may := e.asked(b.w.profile, url); !may {
		fail("%s, which it has not asked for", e.kind)
	}
	if what := e.belied(m); what != "" {
		fail("%s: %s", what, body)
	}
}

// belied says what of a message is not as the event has it.
func (e eventEntry) belied(m message) string {
	state := strings.TrimPrefix(e.kind, "job.")
	switch {
	case m.Type != e.kind || m.Timestamp.UnixMilli() != e.at:
		return "another event"
	case e.batch == "":
		return ""
	case e.kind == "batch.paused":
		if m.Data.BatchID != e.batch || m.Data.State != "paused" {
			return "not of a paused batch"
		}
		return ""
	case !e.isJob && (m.Data.BatchID != e.batch || m.Data.Revision != e.revision || m.Data.State != "finished"):
		return "not of this end of the batch"
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
	case e.kind == "job.retried":
		state = "queued"
		if m.Data.State == "pending" { // it waits again for the screenshot it had
			state = "pending"
		}
	}
	if m.Data.State != state || m.Data.Attempt != e.attempt {
		return "not the state that the event is about"
	}
	return ""
}

// untold names something that is owed to other programs; empty when nothing is.
func (b *books) untold() string {
	return b.text(`SELECT coalesce((SELECT 'callback ' || event_id || ' to ' || sink || url FROM callbacks WHERE state = 'owed' LIMIT 1),
		(SELECT 'event ' || e.seq || ' to ' || r.name FROM readers r JOIN events e ON e.seq > r.place LIMIT 1), '')`)
}

// auditCallbacks: whoever asked for an event got it, or the schedule ran out, or
// the target wanted no more; and nobody else is owed anything.
func (b *books) auditCallbacks() {
	kept := map[tellingKey]callbackEntry{}
	b.each(func(scan func(...any)) {
		var c callbackEntry
		var to jobs.Target
		var id string
		scan(&id, &to.Sink, &to.URL, &c.state, &c.attempts, &c.first, &c.settled)
		kept[tellingKey{id, addressOf(to)}] = c
	}, `SELECT event_id, sink, url, state, attempts, first_at, settled_at FROM callbacks`)
	for _, e := range b.events("") {
		for _, url := range []string{addressOf(jobs.Target{Sink: "log"}), addressOf(jobs.Target{Sink: "alarm"}), e.url, e.rowURL} {
			key := tellingKey{e.id(), url}
			c, there := kept[key]
			delete(kept, key)
			switch must, may := e.asked(b.w.profile, url); {
			case must && !there:
				b.w.fail("P5", "%s asked for %s %s and is owed nothing", url, e.kind, key.id)
			case there && !may:
				b.w.fail("P5", "%s has not asked for %s %s", url, e.kind, key.id)
			case there:
				b.auditCallback(key, c)
			}
		}
	}
	for key := range kept {
		b.w.fail("P5", "%s is owed %s, which is in no log", key.url, key.id)
	}
}

type callbackEntry struct {
	state          string
	attempts       int
	first, settled sql.NullInt64
}

func (b *books) auditCallback(key tellingKey, c callbackEntry) {
	taken, gone := b.w.audience.took(key)
	switch {
	case c.state == "delivered" && !taken:
		b.w.fail("P5", "%s to %s is delivered, and was not taken", key.id, key.url)
	case c.state == "dead" && !gone && !c.exhausted():
		b.w.fail("P5", "%s to %s was given up after %d attempts in %d ms", key.id, key.url, c.attempts, c.settled.Int64-c.first.Int64)
	case c.state == "owed":
		b.w.fail("P5", "%s to %s is still owed", key.id, key.url)
	}
}

// exhausted reports whether the attempt after the last one would have come later
// than callbacks are tried, at the longest that the schedule, or the target, may
// have it wait.
func (c callbackEntry) exhausted() bool {
	wait := 5 * time.Second
	for range c.attempts - 1 {
		wait *= 3
	}
	wait = max(wait+wait/5, longestDelay)
	return time.Duration(c.settled.Int64-c.first.Int64)*time.Millisecond+wait > callbackRetry
}
