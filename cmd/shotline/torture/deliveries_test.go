package torture

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// checkKept holds the inbox against the ledger, by screenshot, and against the
// gate, by body. More rows than answers of 2xx there may be: a serve that was
// killed had kept what it could not acknowledge any more. More rows than posts
// there may not be.
func checkKept(r *rig, v *view) {
	for s, creates := range v.creates {
		for _, c := range creates {
			acknowledged, posts := 0, 0
			for _, d := range c.Deliveries {
				for _, a := range d.Attempts {
					if a.Signature != "valid" {
						continue
					}
					posts++
					if a.Status/100 == 2 {
						acknowledged++
					}
				}
			}
			if kept := len(v.heard[strconv.FormatInt(c.ID, 10)]); kept < acknowledged || kept > posts {
				r.violates("P2", s, "of screenshot %d there are %d rows in the inbox, for %d posts and %d answers of 2xx", c.ID, kept, posts, acknowledged)
			}
		}
	}
	kept := map[string]int{}
	for _, d := range v.inbox {
		kept[d.body]++
		checkDelivery(r, v, d)
	}
	for body, n := range kept {
		if r.gate.posts[body] == nil {
			r.violates("P2", subject{}, "the inbox has %d rows of what nobody sent: %s", n, body)
		}
	}
	for body, t := range r.gate.posts {
		if n := kept[body]; n < t.kept || n > t.kept+t.unsure {
			r.violates("P2", subject{}, "%d rows in the inbox for %d answers of 2xx and %d posts without an answer: %s", n, t.kept, t.unsure, body)
		}
		if t.turned > 0 {
			r.violates("P2", subject{}, "%d good webhooks were turned away: %s", t.turned, body)
		}
	}
}

// checkDelivery wants every delivery applied. One of a screenshot that was
// charged beside the wanted one may have been foreign while nobody knew of it.
func checkDelivery(r *rig, v *view, d delivery) {
	var owner subject
	for s, creates := range v.creates {
		for _, c := range creates {
			if strconv.FormatInt(c.ID, 10) == d.screenshot {
				owner = s
			}
		}
	}
	j := v.jobs[owner]
	switch {
	case j == nil:
		r.violates("P2", owner, "delivery %d tells of screenshot %s, which is no job's", d.seq, d.screenshot)
	case d.disposition == "foreign" && len(v.creates[owner]) > 1:
	case d.disposition != "":
		r.violates("P2", owner, "delivery %d is %s", d.seq, d.disposition)
	case !slices.Contains(j.shots, d.screenshot):
		r.violates("P2", owner, "delivery %d counts as applied, and no submission has screenshot %s", d.seq, d.screenshot)
	}
}

func checkForgeries(r *rig, v *view) {
	for s, creates := range v.creates {
		for _, c := range creates {
			for _, d := range c.Deliveries {
				for _, a := range d.Attempts {
					if a.Signature != "valid" && a.Status != 401 && a.Status != 502 && a.Status != 0 {
						r.violates("P4", s, "a webhook with signature %q was answered %d", a.Signature, a.Status)
					}
				}
			}
		}
	}
	for body, t := range r.gate.posts {
		if t.accepted > 0 {
			r.violates("P4", subject{}, "%d webhooks that are not signed well were not answered 401: %s", t.accepted, body)
		}
	}
}

// checkCounts compares the counters with a count of the rows, the results and
// what status says.
func checkCounts(r *rig, v *view) {
	counted, costs, late, corrected := map[string]map[string]int{}, map[string]float64{}, map[string]int64{}, map[string]int64{}
	for s, j := range v.jobs {
		if counted[s.batch] == nil {
			counted[s.batch] = map[string]int{}
		}
		counted[s.batch][j.state]++
		costs[s.batch] += j.cost
		late[s.batch] += int64(j.late)
		corrected[s.batch] += int64(j.corrected)
	}
	for id, b := range v.batches {
		if b["state"] == "importing" {
			continue
		}
		counters := map[string]int{}
		for _, state := range states {
			if n := int(b[state].(int64)); n > 0 {
				counters[state] = n
			}
		}
		said, reported, err := r.status(id)
		if err != nil {
			r.violates("P6", subject{batch: id}, "%v", err)
			continue
		}
		listed, listedCost := r.countResults(id)
		for what, got := range map[string]map[string]int{"counters": counters, "status --json": reported, "results": listed} {
			if !maps.Equal(got, counted[id]) {
				r.violates("P6", subject{batch: id}, "%s: %v, the rows: %v", what, got, counted[id])
			}
		}
		cost, _ := said["cost"].(float64)
		for what, got := range map[string]float64{"counter": float64(b["cost_micros"].(int64)) / 1e6, "status --json": cost, "results": listedCost} {
			if fmt.Sprintf("%.6f", got) != fmt.Sprintf("%.6f", costs[id]) {
				r.violates("P6", subject{batch: id}, "cost by %s: %g, by the rows: %g", what, got, costs[id])
			}
		}
		if b["corrected"] != corrected[id] {
			r.violates("P6", subject{batch: id}, "%d corrected by the counter, %d by the rows", b["corrected"], corrected[id])
		}
		if b["late"] != late[id] {
			r.violates("P6", subject{batch: id}, "%d late by the counter, %d by the rows", b["late"], late[id])
		}
	}
}

func (r *rig) countResults(id string) (counts map[string]int, cost float64) {
	records, err := r.results(id)
	if err != nil || len(records) == 0 {
		r.violates("P6", subject{batch: id}, "results: %v", err)
		return nil, 0
	}
	state, twin, price := slices.Index(records[0], "state"), slices.Index(records[0], "duplicate_of"), slices.Index(records[0], "cost")
	counts = map[string]int{}
	for _, record := range records[1:] {
		if record[twin] != "" {
			counts["duplicate"]++
			continue
		}
		counts[record[state]]++
		n, _ := strconv.ParseFloat(record[price], 64)
		cost += n
	}
	return counts, cost
}
