package torture

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3" // read with SQL of our own, not through jobs/sqlite

	"shotline/client/sandbox"
)

// states are all that a row can be in.
var states = []string{"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "duplicate", "rejected"}

// job is a row of the table jobs with what hangs on it.
type job struct {
	subject
	state, closedBy, screenshot, err, url string
	late, doubleCharged, conflicts        int
	corrected                             int
	attempt                               int
	cost                                  float64
	submittedAt, closedAt                 int64    // ms
	duplicateOf                           int64    // row
	events                                []string // types
	last                                  string   // the state that the last event tells of
	shots                                 []string // screenshots of its submissions
}

// delivery is a row of the table inbox.
type delivery struct {
	seq                                    int64
	screenshot, outcome, disposition, body string
}

// view is everything that can be read from outside once nothing moves any more.
type view struct {
	jobs    map[subject]*job
	batches map[string]map[string]any // by id: the columns
	tags    map[string]string         // batch id by the tag of its file
	inbox   []delivery
	heard   map[string][]delivery // inbox by screenshot
	ledger  sandbox.Ledger
	creates map[subject][]sandbox.LedgerCreate

	log       []logged
	callbacks []owing
}

// observer reads the database from outside. Its first error ends it, and is what
// close returns.
type observer struct {
	db  *sql.DB
	err error
}

// observe may find the log of a process that was killed last of all, and must be
// able to read it in.
func (r *rig) observe() *observer {
	db, err := sql.Open("sqlite3", "file:"+r.db+"?mode=rw&_query_only=1&_busy_timeout=10000")
	return &observer{db, err}
}

// each reads rows as texts; NULL is empty.
func (o *observer) each(query string, take func(cells []string)) {
	if o.err != nil {
		return
	}
	if err := o.read(query, take); err != nil {
		o.err = fmt.Errorf("%s: %w", query, err)
	}
}

func (o *observer) read(query string, take func(cells []string)) error {
	rows, err := o.db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = c.String
		}
		take(texts)
	}
	return rows.Err()
}

func (o *observer) close() error {
	if o.db == nil {
		return o.err
	}
	return errors.Join(o.err, o.db.Close())
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// rowsOfTag is how many rows an import has kept so far. Somebody may be just making
// the file, then its header, then the tables, and be killed between any two of
// these: what cannot be read counts as nothing until the tables were there once.
// From then on they have to stay.
func (r *rig) rowsOfTag(tag string) (n int64, err error) {
	o := r.observe()
	o.each(`SELECT rows FROM batches WHERE tags = '["`+tag+`"]'`, func(cells []string) { n = number(cells[0]) })
	err = o.close()
	if err == nil {
		r.made.Store(true)
	}
	if !r.made.Load() {
		return 0, nil
	}
	return n, err
}

// owed is what the database says is still to be done, in words; empty when
// there is nothing. Imports that were killed are nobody's work any more.
func (r *rig) owed() (string, error) {
	o := r.observe()
	var owed []string
	for what, query := range map[string]string{
		"open batches":         `SELECT count(*) FROM batches WHERE state IN ('open', 'paused')`,
		"open jobs":            `SELECT count(*) FROM jobs WHERE state IN ('queued', 'submitting', 'pending') AND batch_seq IN (SELECT seq FROM batches WHERE state <> 'importing')`,
		"summaries":            `SELECT count(*) FROM batches WHERE state = 'finished' AND summarized < revision`,
		"deliveries to apply":  `SELECT count(*) FROM inbox WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox')`,
		"held deliveries":      `SELECT count(*) FROM inbox WHERE disposition = 'held'`,
		"doubts":               `SELECT count(*) FROM submissions WHERE doubt_since IS NOT NULL`,
		"leases":               `SELECT count(*) FROM jobs WHERE lease_owner IS NOT NULL OR lease_until IS NOT NULL`,
		"conflicts":            `SELECT count(*) FROM contradictions WHERE check_at IS NOT NULL`,
		"unended open intents": `SELECT count(*) FROM submissions WHERE open_after IS NOT NULL`,
	} {
		o.each(query, func(cells []string) {
			if cells[0] != "0" {
				owed = append(owed, cells[0]+" "+what)
			}
		})
	}
	return strings.Join(owed, ", "), o.close()
}

// untold is how many callbacks are owed, and how many events have not become
// callbacks.
func (r *rig) untold() (n int64, err error) {
	o := r.observe()
	o.each(`SELECT (SELECT count(*) FROM callbacks WHERE state = 'owed') + (SELECT count(*) FROM events WHERE seq > (SELECT min(place) FROM readers))`,
		func(cells []string) { n = number(cells[0]) })
	return n, o.close()
}

// read takes everything in.
func (r *rig) read() (*view, error) {
	r.t.Helper()
	v := &view{
		jobs: map[subject]*job{}, batches: map[string]map[string]any{}, tags: map[string]string{},
		heard: map[string][]delivery{}, ledger: r.vendor.ledger(r.t), creates: map[subject][]sandbox.LedgerCreate{},
	}
	for _, c := range v.ledger.Creates {
		s := subjectOfTag(submissionTag(c.Tags))
		v.creates[s] = append(v.creates[s], c)
	}
	o := r.observe()
	readBatches(o, v)
	readCallbacks(o, r.ear.url, v)
	bySeq := map[string]*job{}
	o.each(`SELECT j.seq, b.id, j.row, j.state, j.closed_by, j.screenshot_id, j.error, j.url, j.late, j.double_charged,
		j.conflicts, j.corrected, j.cost_micros, j.submitted_at, j.closed_at, j.duplicate_of & 4294967295, j.attempt
		FROM jobs j JOIN batches b ON b.seq = j.batch_seq`, func(c []string) {
		j := &job{
			subject: subject{c[1], number(c[2])}, state: c[3], closedBy: c[4], screenshot: c[5], err: c[6], url: c[7],
			late: int(number(c[8])), doubleCharged: int(number(c[9])), conflicts: int(number(c[10])), corrected: int(number(c[11])),
			cost:        float64(number(c[12])) / 1e6,
			submittedAt: number(c[13]), closedAt: number(c[14]), duplicateOf: number(c[15]), attempt: int(number(c[16])),
		}
		v.jobs[j.subject], bySeq[c[0]] = j, j
	})
	o.each(`SELECT job_seq, type, CASE state WHEN '' THEN substr(type, 5) ELSE state END FROM events WHERE job_seq IS NOT NULL ORDER BY seq`, func(c []string) {
		bySeq[c[0]].events = append(bySeq[c[0]].events, c[1])
		bySeq[c[0]].last = c[2]
	})
	o.each(`SELECT job_seq, screenshot_id FROM submissions WHERE screenshot_id IS NOT NULL ORDER BY job_seq, attempt, extra`, func(c []string) {
		bySeq[c[0]].shots = append(bySeq[c[0]].shots, c[1])
	})
	o.each(`SELECT seq, screenshot_id, outcome, disposition, body FROM inbox ORDER BY seq`, func(c []string) {
		d := delivery{number(c[0]), c[1], c[2], c[3], c[4]}
		v.inbox = append(v.inbox, d)
		v.heard[d.screenshot] = append(v.heard[d.screenshot], d)
	})
	o.each(`PRAGMA integrity_check`, func(c []string) {
		if c[0] != "ok" {
			r.violates("the file is sound", subject{}, "%s", c[0])
		}
	})
	return v, o.close()
}

// ends counts the jobs by how they ended.
func (v *view) ends() map[string]int {
	ends := map[string]int{}
	for _, j := range v.jobs {
		if j.closedBy == "" {
			continue
		}
		ends[j.state+" by "+j.closedBy]++
		ends["late"] += j.late
		ends["retried"] += max(j.attempt-1, 0)
		ends["paid twice"] += j.doubleCharged
		ends["contradicted"] += j.conflicts
		ends["corrected"] += j.corrected
	}
	return ends
}

func readBatches(o *observer, v *view) {
	columns := []string{"id", "tags", "state", "rows", "revision", "summarized", "late", "corrected", "cost_micros", "finished_at"}
	columns = append(columns, states...)
	o.each(`SELECT `+strings.Join(columns, ", ")+`,
		(SELECT group_concat(revision) FROM summaries s WHERE s.batch_seq = batches.seq),
		(SELECT count(*) FROM events e WHERE e.batch_seq = batches.seq AND e.job_seq IS NULL) FROM batches`, func(c []string) {
		one := map[string]any{"summaries": c[len(columns)], "events": number(c[len(columns)+1])}
		for i, name := range columns {
			if one[name] = any(c[i]); i > 2 {
				one[name] = number(c[i])
			}
		}
		v.batches[c[0]] = one
		v.tags[strings.Trim(c[1], `["]`)] = c[0]
	})
}

// subjectOfTag reads shotline-BATCH-ROW-ATTEMPT.
func subjectOfTag(tag string) subject {
	parts := strings.Split(tag, "-")
	if len(parts) != 4 {
		return subject{}
	}
	return subject{parts[1], number(parts[2])}
}

// at writes a time of the database.
func at(ms int64) string { return fmt.Sprint(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)) }
