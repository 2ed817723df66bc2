package torture

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"shotline/client/sandbox"
)

// reconcile runs reconcile, as cron would. It is not an error if the vendor
// cannot be queried (1), or if rows ended without an image (3). Nothing happens
// before a serve or submit has created the database.
func reconcile(r *rig, _ *rand.Rand) {
	if _, err := os.Stat(r.db); err != nil {
		return
	}
	if _, code, err := r.shotline(nil, "reconcile", "--older", "1s", "--json"); err != nil && code != 1 && code != 3 {
		r.violated("commands work", ref{}, "%v", err)
	}
}

// cancelOrRetry cancels or retries a job or a batch. After that, the rows of the
// batch can end in other ways than the file determines.
func cancelOrRetry(r *rig, random *rand.Rand) {
	id, rows := r.inputs.modify(random)
	if id == "" {
		return
	}
	row := id + "-" + strconv.Itoa(1+random.IntN(rows))
	args := [][]string{
		{"cancel", row}, {"cancel", row}, {"retry", row}, {"retry", id}, {"retry", id, "--state", "canceled"},
	}[random.IntN(5)]
	if random.IntN(6) == 0 {
		args = []string{"cancel", id}
	}
	// 1: the vendor could not be queried about a job that timed out. 2: the state
	// of the job does not allow it.
	if _, code, err := r.shotline(nil, args...); err != nil && code != 1 && code != 2 {
		r.violated("commands work", ref{batch: id}, "%v", err)
	}
}

// modify picks one of the newest batches and marks it. Only every fourth batch is
// used, because the others can be checked more strictly.
func (in *inputs) modify(random *rand.Rand) (id string, rows int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, b := range slices.Backward(in.batches) {
		if b.id != "" && i%4 == 0 && random.IntN(3) > 0 {
			b.modified = true
			return b.id, len(b.rows)
		}
	}
	return "", 0
}

// checkModified replaces checkEnd and checkEvents for jobs that might have been
// canceled or retried.
func checkModified(r *rig, v *view, j *job) {
	tags := map[string]int{} // number of creates by submission tag
	i := -1
	for n, c := range v.creates[j.ref] {
		tags[submissionTag(c.Tags)]++
		if strconv.FormatInt(c.ID, 10) == j.screenshot {
			i = n
		}
	}
	if len(tags) > j.attempt {
		r.violated("P3", j.ref, "creates %v for %d attempts", tags, j.attempt)
	}
	switch {
	case j.state == "canceled", j.state == "failed" && j.closedBy == "submit", j.state == "timed_out":
	case i < 0:
		r.violated("P1", j.ref, "screenshot %q was not created for it", j.screenshot)
	case j.state == "done" || j.state == "failed":
		create := v.creates[j.ref][i]
		checkResult(r, v, j, create, ledgerState(create))
	default:
		r.violated("P1", j.ref, "state is %s", j.state)
	}
	ends := strings.Split(strings.Join(j.events, " "), "job.retried")
	for n, end := range ends {
		seen := strings.Fields(end)
		last := n == len(ends)-1
		ok := len(seen) == 1 || len(seen) == 2 && seen[1] == "job.late"
		if slices.Contains(seen, "job.corrected") {
			ok = seen[0] != "job.corrected"
			if last && ok {
				ok = j.corrected > 0 && j.last == j.state
			}
		} else if last && ok {
			ok = j.late > 0 && slices.Contains(seen, "job.late") || j.late == 0 && seen[0] == "job."+j.state && len(seen) == 1
		}
		if !ok {
			r.violated("P1", j.ref, "state is %s, late %d, events %v", j.state, j.late, j.events)
			return
		}
	}
}

// ledgerState returns the final state that a job should have according to the
// ledger.
func ledgerState(c sandbox.LedgerCreate) string {
	return map[string]string{"finished": "done", "error": "failed"}[c.Status]
}

// attempts returns the number of different submissions among creates.
func attempts(creates []sandbox.LedgerCreate) int {
	tags := map[string]bool{}
	for _, c := range creates {
		tags[submissionTag(c.Tags)] = true
	}
	return len(tags)
}
