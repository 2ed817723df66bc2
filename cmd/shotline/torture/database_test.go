package torture

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3" // used directly, to be independent of jobs/sqlite

	"shotline/client/sandbox"
)

// states are all states of a row.
var states = []string{"queued", "submitting", "pending", "done", "failed", "timed_out", "canceled", "duplicate", "rejected"}

// job is a row of the table jobs with its events and screenshots.
type job struct {
	ref
	state, closedBy, screenshot, err, url string
	late, doubleCharged, conflicts        int
	corrected                             int
	attempt                               int
	cost                                  float64
	submittedAt, closedAt                 int64    // in ms
	duplicateOf                           int64    // number of the original row
	events                                []string // event types, in order
	last                                  string   // the state in the last event
	shots                                 []string // ids of the screenshots of its submissions
}

// delivery is a row of the table inbox.
type delivery struct {
	seq                                    int64
	screenshot, outcome, disposition, body string
}

// view is everything that can be read from outside after all work has ended.
type view struct {
	jobs       map[ref]*job
	batches    map[string]map[string]any // columns by batch id
	tags       map[string]string         // batch id by the tag of the file
	inbox      []delivery
	deliveries map[string][]delivery // inbox by screenshot
	ledger     sandbox.Ledger
	creates    map[ref][]sandbox.LedgerCreate

	log       []eventRow
	callbacks []callbackRow
}

// database reads the database with SQL. After the first error it reads nothing
// more. close returns that error.
type database struct {
	conn *sql.DB
	err  error
}

// openDatabase opens the database. It must be able to recover the write-ahead log
// of a process that was killed, so the mode is rw.
func (r *rig) openDatabase() *database {
	db, err := sql.Open("sqlite3", "file:"+r.db+"?mode=rw&_query_only=1&_busy_timeout=10000")
	return &database{db, err}
}

// each calls take with the text of each row's columns. NULL becomes an empty
// text.
func (db *database) each(query string, take func(cells []string)) {
	if db.err != nil {
		return
	}
	if err := db.read(query, take); err != nil {
		db.err = fmt.Errorf("%s: %w", query, err)
	}
}

func (db *database) read(query string, take func(cells []string)) error {
	rows, err := db.conn.Query(query)
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

func (db *database) close() error {
	if db.conn == nil {
		return db.err
	}
	return errors.Join(db.err, db.conn.Close())
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// rowsOfTag returns how many rows an import has stored so far. Another process
// might create the file, its header and the tables at the same time, and might be
// killed in between. So errors count as 0 rows until the tables have been seen
// once. After that, errors are returned.
func (r *rig) rowsOfTag(tag string) (n int64, err error) {
	db := r.openDatabase()
	db.each(`SELECT rows FROM batches WHERE tags = '["`+tag+`"]'`, func(cells []string) { n = number(cells[0]) })
	err = db.close()
	if err == nil {
		r.made.Store(true)
	}
	if !r.made.Load() {
		return 0, nil
	}
	return n, err
}

// pendingWork describes the work that is pending according to the database. It is
// empty if there is none. Imports that were killed are not pending work.
func (r *rig) pendingWork() (string, error) {
	db := r.openDatabase()
	var pending []string
	for name, query := range map[string]string{
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
		db.each(query, func(cells []string) {
			if cells[0] != "0" {
				pending = append(pending, cells[0]+" "+name)
			}
		})
	}
	return strings.Join(pending, ", "), db.close()
}

// undelivered returns the number of undelivered callbacks plus the number of
// events that have not become callbacks yet.
func (r *rig) undelivered() (n int64, err error) {
	db := r.openDatabase()
	db.each(`SELECT (SELECT count(*) FROM callbacks WHERE state = 'owed') + (SELECT count(*) FROM events WHERE seq > (SELECT min(place) FROM readers))`,
		func(cells []string) { n = number(cells[0]) })
	return n, db.close()
}

// read reads the database and the ledger.
func (r *rig) read() (*view, error) {
	r.t.Helper()
	v := &view{
		jobs: map[ref]*job{}, batches: map[string]map[string]any{}, tags: map[string]string{},
		deliveries: map[string][]delivery{}, ledger: r.vendor.ledger(r.t), creates: map[ref][]sandbox.LedgerCreate{},
	}
	for _, c := range v.ledger.Creates {
		s := refOfTag(submissionTag(c.Tags))
		v.creates[s] = append(v.creates[s], c)
	}
	db := r.openDatabase()
	readBatches(db, v)
	readCallbacks(db, r.target.url, v)
	bySeq := map[string]*job{}
	db.each(`SELECT j.seq, b.id, j.row, j.state, j.closed_by, j.screenshot_id, j.error, j.url, j.late, j.double_charged,
		j.conflicts, j.corrected, j.cost_micros, j.submitted_at, j.closed_at, j.duplicate_of & 4294967295, j.attempt
		FROM jobs j JOIN batches b ON b.seq = j.batch_seq`, func(c []string) {
		j := &job{
			ref: ref{c[1], number(c[2])}, state: c[3], closedBy: c[4], screenshot: c[5], err: c[6], url: c[7],
			late: int(number(c[8])), doubleCharged: int(number(c[9])), conflicts: int(number(c[10])), corrected: int(number(c[11])),
			cost:        float64(number(c[12])) / 1e6,
			submittedAt: number(c[13]), closedAt: number(c[14]), duplicateOf: number(c[15]), attempt: int(number(c[16])),
		}
		v.jobs[j.ref], bySeq[c[0]] = j, j
	})
	db.each(`SELECT job_seq, type, CASE state WHEN '' THEN substr(type, 5) ELSE state END FROM events WHERE job_seq IS NOT NULL ORDER BY seq`, func(c []string) {
		bySeq[c[0]].events = append(bySeq[c[0]].events, c[1])
		bySeq[c[0]].last = c[2]
	})
	db.each(`SELECT job_seq, screenshot_id FROM submissions WHERE screenshot_id IS NOT NULL ORDER BY job_seq, attempt, extra`, func(c []string) {
		bySeq[c[0]].shots = append(bySeq[c[0]].shots, c[1])
	})
	db.each(`SELECT seq, screenshot_id, outcome, disposition, body FROM inbox ORDER BY seq`, func(c []string) {
		d := delivery{number(c[0]), c[1], c[2], c[3], c[4]}
		v.inbox = append(v.inbox, d)
		v.deliveries[d.screenshot] = append(v.deliveries[d.screenshot], d)
	})
	db.each(`PRAGMA integrity_check`, func(c []string) {
		if c[0] != "ok" {
			r.violated("the database is intact", ref{}, "%s", c[0])
		}
	})
	return v, db.close()
}

// ends counts the jobs by state and provenance.
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

func readBatches(db *database, v *view) {
	columns := []string{"id", "tags", "state", "rows", "revision", "summarized", "late", "corrected", "cost_micros", "finished_at"}
	columns = append(columns, states...)
	db.each(`SELECT `+strings.Join(columns, ", ")+`,
		(SELECT group_concat(revision) FROM summaries s WHERE s.batch_seq = batches.seq),
		(SELECT count(*) FROM events e WHERE e.batch_seq = batches.seq AND e.job_seq IS NULL) FROM batches`, func(c []string) {
		b := map[string]any{"summaries": c[len(columns)], "events": number(c[len(columns)+1])}
		for i, name := range columns {
			if b[name] = any(c[i]); i > 2 {
				b[name] = number(c[i])
			}
		}
		v.batches[c[0]] = b
		v.tags[strings.Trim(c[1], `["]`)] = c[0]
	})
}

// refOfTag parses shotline-BATCH-ROW-ATTEMPT.
func refOfTag(tag string) ref {
	parts := strings.Split(tag, "-")
	if len(parts) != 4 {
		return ref{}
	}
	return ref{parts[1], number(parts[2])}
}

// at formats a time of the database.
func at(ms int64) string { return fmt.Sprint(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)) }
