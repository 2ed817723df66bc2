package torture

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"shotline/client/sandbox"
)

// reconcile does what cron would. That the vendor cannot be asked, and that
// rows ended without a picture, are no surprise here. A database that no serve or
// submit has made yet would be one.
func reconcile(r *rig, _ *rand.Rand) {
	if _, err := os.Stat(r.db); err != nil {
		return
	}
	if _, code, err := r.shotline(nil, "reconcile", "--older", "1s", "--json"); err != nil && code != 1 && code != 3 {
		r.violates("commands work", subject{}, "%v", err)
	}
}

// handle cancels or retries some of a batch. From then on its rows may end in
// ways that the file does not tell.
func handle(r *rig, random *rand.Rand) {
	id, rows := r.book.handle(random)
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
	// 1: the vendor could not be asked about what had timed out; 2: the row is
	// in no state for it.
	if _, code, err := r.shotline(nil, args...); err != nil && code != 1 && code != 2 {
		r.violates("commands work", subject{batch: id}, "%v", err)
	}
}

// handle picks one of the newest batches of every fourth that was accepted:
// what the others end as can be told more exactly.
func (b *book) handle(random *rand.Rand) (id string, rows int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, one := range slices.Backward(b.batches) {
		if one.id != "" && i%4 == 0 && random.IntN(3) > 0 {
			one.handled = true
			return one.id, len(one.rows)
		}
	}
	return "", 0
}

// checkHandled is checkEnd and checkEvents for a job of a batch that was
// handled: it may have been canceled, and have had several attempts.
func checkHandled(r *rig, v *view, j *job) {
	tags := map[string]int{} // creates by attempt
	i := -1
	for n, c := range v.creates[j.subject] {
		tags[submissionTag(c.Tags)]++
		if strconv.FormatInt(c.ID, 10) == j.screenshot {
			i = n
		}
	}
	if len(tags) > j.attempt {
		r.violates("P3", j.subject, "creates of %v for %d attempts", tags, j.attempt)
	}
	switch {
	case j.state == "canceled", j.state == "failed" && j.closedBy == "submit", j.state == "timed_out":
	case i < 0:
		r.violates("P1", j.subject, "screenshot %q was not ordered for it", j.screenshot)
	case j.state == "done" || j.state == "failed":
		create := v.creates[j.subject][i]
		checkResult(r, v, j, create, truth(create))
	default:
		r.violates("P1", j.subject, "it is %s", j.state)
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
			r.violates("P1", j.subject, "it is %s, late %d, and its events are %v", j.state, j.late, j.events)
			return
		}
	}
}

// truth is how a job ends by the ledger.
func truth(c sandbox.LedgerCreate) string {
	return map[string]string{"finished": "done", "error": "failed"}[c.Status]
}

// attempts counts the submissions among creates.
func attempts(creates []sandbox.LedgerCreate) int {
	tags := map[string]bool{}
	for _, c := range creates {
		tags[submissionTag(c.Tags)] = true
	}
	return len(tags)
}
