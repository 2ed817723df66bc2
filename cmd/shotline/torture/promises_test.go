package torture

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"shotline/client/sandbox"
)

// promises are those of orchestrator/README.md, each with what proves it. That Redis may
// vanish (P7) is in all of them: it did.
var promises = []struct {
	name  string
	check func(*rig, *view)
}{
	{"nothing of a file is missing, and nothing of a killed import is there", checkFiles},
	{"P1: one end, the one that the vendor's books tell", checkEnds},
	{"P2: 2xx means kept, once for each", checkKept},
	{"P3: paid once, and what was paid is what we say", checkPayments},
	{"P4: nobody forges", checkForgeries},
	{"P5: told once", checkSummaries},
	{"P5: told those who asked, at least once", checkCallbacks},
	{"P6: counts agree", checkCounts},
	{"P9: bounded", checkBounds},
}

func checkFiles(r *rig, v *view) {
	for _, file := range r.book.batches {
		id := v.idOf(file)
		b := v.batches[id]
		switch {
		case file.broken && (b == nil || b["state"] == "importing"):
		case file.broken:
			r.violates("nothing half done", subject{batch: id}, "%s was killed half-way through its import and is %s", file.tag, b["state"])
		case b == nil || file.id != id:
			r.violates("nothing is missing", subject{batch: file.id}, "%s was accepted as %q, and the database knows it as %q", file.tag, file.id, id)
		case b["state"] != "finished" || b["rows"] != int64(len(file.rows)):
			r.violates("nothing is missing", subject{batch: id}, "%s has %d rows; the batch is %s with %d", file.tag, len(file.rows), b["state"], b["rows"])
		}
	}
	for s, creates := range v.creates {
		if v.jobs[s] == nil || v.batches[s.batch]["state"] == "importing" {
			r.violates("nothing half done", s, "%d screenshots were ordered for no job", len(creates))
		}
	}
}

// idOf is what the database calls a file. The tag of a job that was asked for by
// itself is the job's, not the batch's.
func (v *view) idOf(file *batch) string {
	if file.single {
		return file.id
	}
	return v.tags[file.tag]
}

func checkEnds(r *rig, v *view) {
	for _, file := range r.book.batches {
		if file.broken {
			continue
		}
		for i, row := range file.rows {
			s := subject{v.idOf(file), int64(i + 1)}
			j := v.jobs[s]
			if j == nil {
				r.violates("P1", s, "row %d of %s is no row of the table", i+1, file.tag)
				continue
			}
			if file.handled && row.kind != rejected && row.kind != duplicate {
				checkHandled(r, v, j)
				continue
			}
			checkEnd(r, v, j, row)
			checkEvents(r, j)
		}
	}
}

// checkEnd compares a job's end with what its row and the ledger make of it.
func checkEnd(r *rig, v *view, j *job, row row) {
	want := map[kind]string{refused: "failed", rejected: "rejected", duplicate: "duplicate"}[row.kind]
	switch {
	case want != "" && (j.state != want || len(v.creates[j.subject]) > 0):
		r.violates("P1", j.subject, "a row that is %s is %s after %d creates", row.kind, j.state, len(v.creates[j.subject]))
	case row.kind == refused && j.closedBy != "submit":
		r.violates("P1", j.subject, "the vendor refused the create, and the job was closed by %s", j.closedBy)
	case row.kind == duplicate && j.duplicateOf != int64(row.twin):
		r.violates("P1", j.subject, "it repeats row %d, not %d", row.twin, j.duplicateOf)
	case want != "":
		return
	}
	if row.kind != rejected && j.url != row.url {
		r.violates("P1", j.subject, "its address is %s, the row's %s", j.url, row.url)
	}
	if want != "" {
		return
	}
	i := slices.IndexFunc(v.creates[j.subject], func(c sandbox.LedgerCreate) bool { return strconv.FormatInt(c.ID, 10) == j.screenshot })
	if i < 0 {
		r.violates("P1", j.subject, "screenshot %q was not ordered for it", j.screenshot)
		return
	}
	create := v.creates[j.subject][i]
	switch j.state {
	case "done", "failed":
		checkResult(r, v, j, create, truth(create))
	case "timed_out":
		checkTimeout(r, v, j)
	default:
		r.violates("P1", j.subject, "it is %s", j.state)
	}
}

// checkResult wants the vendor's truth. Only where the vendor lied by webhook, and
// the true webhook never came in, may the lie stand: nobody knew better.
func checkResult(r *rig, v *view, j *job, create sandbox.LedgerCreate, truth string) {
	switch j.closedBy {
	case "poll", "create":
		if j.state != truth {
			r.violates("P1", j.subject, "%s by %s, and the ledger says %s", j.state, j.closedBy, create.Status)
		}
	case "webhook":
		heard := v.heard[j.screenshot]
		if len(heard) == 0 {
			r.violates("P1", j.subject, "closed by a webhook that is not in the inbox")
			return
		}
		if heard[0].outcome != j.state {
			r.violates("P1", j.subject, "%s, and the first webhook said %s", j.state, heard[0].outcome)
		}
		knew := slices.ContainsFunc(heard, func(d delivery) bool { return d.outcome == truth })
		if j.state != truth && (knew || !has(create, "webhook-contradict")) {
			r.violates("P1", j.subject, "%s by webhook, and the ledger says %s", j.state, create.Status)
		}
	default:
		r.violates("P1", j.subject, "%s by %q", j.state, j.closedBy)
	}
}

// checkTimeout allows a job to time out when the vendor could not be asked, as
// it says when it gives up, and nothing of its result ever came in.
func checkTimeout(r *rig, v *view, j *job) {
	waited := j.closedAt - j.submittedAt
	switch {
	case len(v.heard[j.screenshot]) > 0:
		r.violates("P1", j.subject, "timed out, and its webhook is in the inbox")
	case waited < (jobTimeout + deadlineGrace).Milliseconds():
		r.violates("P1", j.subject, "timed out after %d ms: %s", waited, j.err)
	case j.closedAt > r.faultsEnded.UnixMilli()+requestTimeout.Milliseconds():
		r.violates("P1", j.subject, "timed out at %s, when the vendor had long answered again: %s", at(j.closedAt), j.err)
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
	if j.corrected > 0 { // the first end is the opposite
		want = []string{"job." + map[string]string{"done": "failed", "failed": "done"}[j.state], "job.corrected"}
		if j.late > 0 {
			want = []string{"job.timed_out", "job.late", "job.corrected"}
		}
	}
	if !slices.Equal(j.events, want) {
		r.violates("P1", j.subject, "its events are %v, want %v", j.events, want)
	}
}

func checkPayments(r *rig, v *view) {
	for s, creates := range v.creates {
		j := v.jobs[s]
		if j == nil {
			continue // checkFiles has told of it
		}
		sum, lagged := 0.0, false
		var known []sandbox.LedgerCreate
		for _, c := range creates {
			lagged = lagged || *lagFlag >= settleTime && has(c, "list-lag")
			if c.URL != j.url {
				r.violates("P3", s, "the screenshot that was paid for is of %s", c.URL)
			}
			if slices.Contains(j.shots, strconv.FormatInt(c.ID, 10)) {
				known = append(known, c)
				sum += c.Cost
			} else if !hidden(v, j, c) {
				r.violates("P3", s, "screenshot %d was paid for and is not in our books", c.ID)
			}
		}
		if math.Abs(sum-j.cost) > 1e-9 {
			r.violates("P3", s, "it cost %g by the ledger, and %g by our books", sum, j.cost)
		}
		if extra := len(known) - attempts(known); extra != j.doubleCharged {
			r.violates("P3", s, "%d screenshots too many by the ledger, %d by our books", extra, j.doubleCharged)
		}
		if len(creates) > attempts(creates) && !lagged && !misled(v, j) {
			r.violates("P3", s, "paid %d times, and no listing hid anything from us for longer than the settle time", len(creates))
		}
	}
}

// hidden reports whether the listings may still have lacked a screenshot when
// its batch had ended and was looked through for what was paid for twice.
func hidden(v *view, j *job, c sandbox.LedgerCreate) bool {
	created, err := time.Parse(time.RFC3339Nano, c.CreatedAt)
	finished := v.batches[j.batch]["finished_at"].(int64)
	return err == nil && has(c, "list-lag") && *lagFlag >= settleTime && created.Add(*lagFlag).UnixMilli() > finished
}

// misled reports whether the vendor gave a wrong page both when asked for the
// job's own tag and when asked for its address: whoever sends a create anew
// must have been told twice that there is no screenshot.
func misled(v *view, j *job) bool {
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
		told := strings.Split(b["summaries"].(string), ",")
		revision := b["revision"].(int64)
		if !slices.Contains(told, strconv.FormatInt(revision, 10)) || len(told) > int(revision) || b["summarized"] != revision {
			r.violates("P5", subject{batch: id}, "revision %d, and summaries of the revisions %v", revision, told)
		}
		if b["events"] != revision {
			r.violates("P5", subject{batch: id}, "revision %d, and %d events of its end", revision, b["events"])
		}
	}
}

// The serves of a run may take this much: several times what they took when
// this was written. What grows without end gets there.
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
		r.violates("P9", subject{}, "a serve had %d files open, or took %d MiB", r.figures.maxFiles, r.figures.maxMemory>>20)
	}
}
