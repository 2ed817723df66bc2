package torture

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"shotline/client/sandbox"
)

// promises are the promises of orchestrator/README.md with their checks. All
// checks cover P7, because Redis was killed, flushed and paused.
var promises = []struct {
	name  string
	check func(*rig, *view)
}{
	{"no row is missing, and killed imports leave no rows", checkFiles},
	{"P1: one end, as in the vendor's ledger", checkEnds},
	{"P2: 2xx means kept, once for each", checkKept},
	{"P3: paid once, and the costs agree", checkPayments},
	{"P4: nobody forges", checkForgeries},
	{"P5: one summary per revision", checkSummaries},
	{"P5: callbacks at least once", checkCallbacks},
	{"P6: counts agree", checkCounts},
	{"P9: bounded", checkBounds},
}

func checkFiles(r *rig, v *view) {
	for _, file := range r.inputs.batches {
		id := v.idOf(file)
		b := v.batches[id]
		switch {
		case file.killed && (b == nil || b["state"] == "importing"):
		case file.killed:
			r.violated("nothing half done", ref{batch: id}, "the import of %s was killed, and the batch is %s", file.tag, b["state"])
		case b == nil || file.id != id:
			r.violated("nothing is missing", ref{batch: file.id}, "%s was accepted as %q, but its id in the database is %q", file.tag, file.id, id)
		case b["state"] != "finished" || b["rows"] != int64(len(file.rows)):
			r.violated("nothing is missing", ref{batch: id}, "%s has %d rows, but the batch is %s with %d", file.tag, len(file.rows), b["state"], b["rows"])
		}
	}
	for s, creates := range v.creates {
		if v.jobs[s] == nil || v.batches[s.batch]["state"] == "importing" {
			r.violated("nothing half done", s, "%d creates belong to no job", len(creates))
		}
	}
}

// idOf returns the batch id of a file according to the database. The batch of a
// single job does not have the tag of the file.
func (v *view) idOf(file *batch) string {
	if file.single {
		return file.id
	}
	return v.tags[file.tag]
}

func checkEnds(r *rig, v *view) {
	for _, file := range r.inputs.batches {
		if file.killed {
			continue
		}
		for i, row := range file.rows {
			s := ref{v.idOf(file), int64(i + 1)}
			j := v.jobs[s]
			if j == nil {
				r.violated("P1", s, "row %d of %s is not in the database", i+1, file.tag)
				continue
			}
			if file.modified && row.kind != rejected && row.kind != duplicate {
				checkModified(r, v, j)
				continue
			}
			checkEnd(r, v, j, row)
			checkEvents(r, j)
		}
	}
}

// checkEnd compares the state of a job with its row and the ledger.
func checkEnd(r *rig, v *view, j *job, row row) {
	want := map[kind]string{refused: "failed", rejected: "rejected", duplicate: "duplicate"}[row.kind]
	switch {
	case want != "" && (j.state != want || len(v.creates[j.ref]) > 0):
		r.violated("P1", j.ref, "a %s row is %s after %d creates", row.kind, j.state, len(v.creates[j.ref]))
	case row.kind == refused && j.closedBy != "submit":
		r.violated("P1", j.ref, "the vendor refused the create, but the job was closed by %s", j.closedBy)
	case row.kind == duplicate && j.duplicateOf != int64(row.original):
		r.violated("P1", j.ref, "it repeats row %d, but is a duplicate of %d", row.original, j.duplicateOf)
	case want != "":
		return
	}
	if row.kind != rejected && j.url != row.url {
		r.violated("P1", j.ref, "its URL is %s, want %s", j.url, row.url)
	}
	if want != "" {
		return
	}
	i := slices.IndexFunc(v.creates[j.ref], func(c sandbox.LedgerCreate) bool { return strconv.FormatInt(c.ID, 10) == j.screenshot })
	if i < 0 {
		r.violated("P1", j.ref, "screenshot %q was not created for it", j.screenshot)
		return
	}
	create := v.creates[j.ref][i]
	switch j.state {
	case "done", "failed":
		checkResult(r, v, j, create, ledgerState(create))
	case "timed_out":
		checkTimeout(r, v, j)
	default:
		r.violated("P1", j.ref, "state is %s", j.state)
	}
}

// checkResult checks that the state of a job agrees with the ledger. It can be
// the opposite only if the vendor posted a false webhook and the true one never
// arrived.
func checkResult(r *rig, v *view, j *job, create sandbox.LedgerCreate, ledgerState string) {
	switch j.closedBy {
	case "poll", "create":
		if j.state != ledgerState {
			r.violated("P1", j.ref, "%s by %s, but %s in the ledger", j.state, j.closedBy, create.Status)
		}
	case "webhook":
		received := v.deliveries[j.screenshot]
		if len(received) == 0 {
			r.violated("P1", j.ref, "closed by webhook, but the inbox has none")
			return
		}
		if received[0].outcome != j.state {
			r.violated("P1", j.ref, "%s, but the first webhook was %s", j.state, received[0].outcome)
		}
		arrived := slices.ContainsFunc(received, func(d delivery) bool { return d.outcome == ledgerState })
		if j.state != ledgerState && (arrived || !has(create, "webhook-contradict")) {
			r.violated("P1", j.ref, "%s by webhook, but %s in the ledger", j.state, create.Status)
		}
	default:
		r.violated("P1", j.ref, "%s by %q", j.state, j.closedBy)
	}
}

// checkTimeout checks a job that timed out. This is allowed only if the vendor
// could not be queried until the deadline and no webhook arrived.
func checkTimeout(r *rig, v *view, j *job) {
	waited := j.closedAt - j.submittedAt
	switch {
	case len(v.deliveries[j.screenshot]) > 0:
		r.violated("P1", j.ref, "timed out, but its webhook is in the inbox")
	case waited < (jobTimeout + deadlineGrace).Milliseconds():
		r.violated("P1", j.ref, "timed out after %d ms: %s", waited, j.err)
	case j.closedAt > r.faultsEnded.UnixMilli()+requestTimeout.Milliseconds():
		r.violated("P1", j.ref, "timed out at %s, long after the faults ended: %s", at(j.closedAt), j.err)
	}
}

func checkEvents(r *rig, j *job) {
	want := []string{"job." + j.state}
	switch {
	case j.state == "rejected" || j.state == "duplicate":
		want = nil
	case j.late > 0:
		want = []string{"job.timed_out", "job.late"}
	}
	if j.corrected > 0 { // the first result was the opposite
		want = []string{"job." + map[string]string{"done": "failed", "failed": "done"}[j.state], "job.corrected"}
		if j.late > 0 {
			want = []string{"job.timed_out", "job.late", "job.corrected"}
		}
	}
	if !slices.Equal(j.events, want) {
		r.violated("P1", j.ref, "its events are %v, want %v", j.events, want)
	}
}

func checkPayments(r *rig, v *view) {
	for s, creates := range v.creates {
		j := v.jobs[s]
		if j == nil {
			continue // checkFiles has reported it
		}
		sum, lagged := 0.0, false
		var known []sandbox.LedgerCreate
		for _, c := range creates {
			lagged = lagged || *lagFlag >= settleTime && has(c, "list-lag")
			if c.URL != j.url {
				r.violated("P3", s, "the paid screenshot has the URL %s", c.URL)
			}
			if slices.Contains(j.shots, strconv.FormatInt(c.ID, 10)) {
				known = append(known, c)
				sum += c.Cost
			} else if !hidden(v, j, c) {
				r.violated("P3", s, "paid screenshot %d is not in the database", c.ID)
			}
		}
		if math.Abs(sum-j.cost) > 1e-9 {
			r.violated("P3", s, "cost is %g in the ledger, %g in the database", sum, j.cost)
		}
		if extra := len(known) - attempts(known); extra != j.doubleCharged {
			r.violated("P3", s, "%d double charges in the ledger, %d in the database", extra, j.doubleCharged)
		}
		if len(creates) > attempts(creates) && !lagged && !listingsShifted(v, j) {
			r.violated("P3", s, "paid %d times, although no listing lagged for longer than the settle time", len(creates))
		}
	}
}

// hidden reports whether the listings might not have contained the screenshot yet
// when the finished batch was checked for double charges.
func hidden(v *view, j *job, c sandbox.LedgerCreate) bool {
	created, err := time.Parse(time.RFC3339Nano, c.CreatedAt)
	finished := v.batches[j.batch]["finished_at"].(int64)
	return err == nil && has(c, "list-lag") && *lagFlag >= settleTime && created.Add(*lagFlag).UnixMilli() > finished
}

// listingsShifted reports whether the vendor returned a wrong page both when
// queried for the job's tag and when searched for its URL. A create is resent
// only after both queries found no screenshot.
func listingsShifted(v *view, j *job) bool {
	own, search := false, false
	for _, f := range v.ledger.Faults {
		if f.Fault == "list-shift" {
			own = own || strings.Contains(f.Subject, "shotline-"+j.batch)
			search = search || strings.Contains(f.Subject, "screenshot/search")
		}
	}
	return own && search
}

func checkSummaries(r *rig, v *view) {
	for id, b := range v.batches {
		if b["state"] == "importing" {
			continue
		}
		summaries := strings.Split(b["summaries"].(string), ",")
		revision := b["revision"].(int64)
		if !slices.Contains(summaries, strconv.FormatInt(revision, 10)) || len(summaries) > int(revision) || b["summarized"] != revision {
			r.violated("P5", ref{batch: id}, "revision %d, but summaries of the revisions %v", revision, summaries)
		}
		if b["events"] != revision {
			r.violated("P5", ref{batch: id}, "revision %d, but %d events about its end", revision, b["events"])
		}
	}
}

// Limits of a serve. They are several times as high as the measured values, but
// growth without limit exceeds them.
const (
	filesBound  = 400
	memoryBound = 400 << 20
)

func checkBounds(r *rig, _ *view) {
	memory := int64(memoryBound)
	if raceDetector {
		memory *= 4
	}
	if r.figures.maxFiles > filesBound || r.figures.maxMemory > memory {
		r.violated("P9", ref{}, "a serve had %d open files and used %d MiB", r.figures.maxFiles, r.figures.maxMemory>>20)
	}
}
