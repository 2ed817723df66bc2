package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxShown is how many violations of each promise are reported in full.
const maxShown = 3

// report logs the figures of the run. If it failed, report also logs everything
// about the jobs concerned, and keeps the folder.
func (r *rig) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.vendor.Ledger()
	posts := 0
	for _, c := range l.Creates {
		for _, d := range c.Deliveries {
			posts += len(d.Attempts)
		}
	}
	rows := 0
	for _, b := range r.inputs.batches {
		if !b.killed {
			rows += len(b.rows)
		}
	}
	calls, again := r.target.count()
	f := r.figures
	r.t.Logf("seed %d: %d serves killed, %d started; redis killed %d, flushed %d, paused %d times; %d files with %d rows, %d queries\n"+
		"%d creates took effect, %d did not; webhooks posted %d times; faults %v\n"+
		"jobs ended as %v\n"+
		"%d callbacks arrived, %d of them had been accepted before\n"+
		"faults lasted %s, then all work ended within %s; a serve had at most %d open files and used %d MiB",
		r.seed, f.kills, f.starts, f.redisKills, f.redisFlushes, f.redisPauses, len(r.inputs.batches), rows, f.queries,
		len(l.Creates), len(l.Refused), posts, l.Fired,
		f.ends, calls, again, f.chaos.Round(time.Second/10), f.settling.Round(time.Second/10), f.maxFiles, f.maxMemory>>20)
	if len(r.violations) == 0 && !r.t.Failed() {
		_ = os.RemoveAll(r.folder)
		return
	}
	if data, err := json.MarshalIndent(l, "", " "); err == nil {
		_ = os.WriteFile(filepath.Join(r.folder, "ledger.json"), data, 0o600)
	}
	reported := map[string]int{}
	for _, violation := range r.violations {
		if reported[violation.promise]++; reported[violation.promise] <= maxShown {
			r.t.Errorf("%s: violated by %s: %s%s", violation.promise, violation.ref, violation.text, r.details(violation.ref))
		}
	}
	for promise, n := range reported {
		if n > maxShown {
			r.t.Errorf("%s: %d more violations", promise, n-maxShown)
		}
	}
	for _, p := range r.processes[max(0, len(r.processes)-3):] {
		r.t.Logf("the last lines of %s:\n%s", p.name, p.tail(12))
	}
	r.t.Logf("logs and data are in %s\nto repeat the same plan (the timing will differ):\n  make torture KILLS=%d SEED=%d",
		r.folder, *killsFlag, r.seed)
}

// details returns everything that is known about a job.
func (r *rig) details(s ref) string {
	if s.row == 0 {
		return ""
	}
	var text strings.Builder
	if file := r.inputs.of(s.batch); file != nil && int(s.row) <= len(file.rows) {
		fmt.Fprintf(&text, "\n  row       %+v", file.rows[s.row-1])
	}
	shots := map[string]bool{}
	for _, c := range r.vendor.Ledger().Creates {
		if refOfTag(submissionTag(c.Tags)) == s {
			data, _ := json.Marshal(c)
			fmt.Fprintf(&text, "\n  ledger    %s", data)
			shots[strconv.FormatInt(c.ID, 10)] = true
		}
	}
	db := r.openDatabase()
	of := `(SELECT j.seq FROM jobs j JOIN batches b ON b.seq = j.batch_seq WHERE b.id = '` + s.batch + `' AND j.row = ` + strconv.FormatInt(s.row, 10) + `)`
	for _, table := range []struct{ name, columns, where string }{
		{"jobs", "state, attempt, lease_owner, lease_until, created_at, submitted_at, closed_at, deadline, screenshot_id, error, closed_by, cost, late, double_charged, conflicts, corrected", "seq = " + of},
		{"submissions", "attempt, extra, screenshot_id, intent_at, sends, open_after, doubt_since, outcome, outcome_by, cost_micros", "job_seq = " + of},
		{"contradictions", "attempt, first_outcome, vendor_says, opened_at, check_at, checks", "job_seq = " + of},
		{"events", "at, type, attempt, state", "job_seq = " + of},
	} {
		db.each("SELECT "+table.columns+" FROM "+table.name+" WHERE "+table.where, func(cells []string) {
			fmt.Fprintf(&text, "\n  %-14s", table.name)
			for i, column := range strings.Split(table.columns, ", ") {
				fmt.Fprintf(&text, " %s=%q", column, cells[i])
			}
		})
	}
	db.each("SELECT seq, received_at, disposition, screenshot_id, outcome FROM inbox", func(cells []string) {
		if shots[cells[3]] {
			fmt.Fprintf(&text, "\n  inbox     seq %s at %s: %q, %s is %s", cells[0], at(number(cells[1])), cells[2], cells[3], cells[4])
		}
	})
	if err := db.close(); err != nil {
		fmt.Fprintf(&text, "\n  %v", err)
	}
	return text.String()
}
