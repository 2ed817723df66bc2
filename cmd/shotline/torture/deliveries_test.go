package torture

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// checkKept compares the inbox with the ledger, by screenshot, and with the
// proxy's counts, by body. The inbox can have more rows than there were 2xx
// responses, because a serve might be killed after the commit and before the
// response. It cannot have more rows than there were posts.
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
			if kept := len(v.deliveries[strconv.FormatInt(c.ID, 10)]); kept < acknowledged || kept > posts {
				r.violated("P2", s, "screenshot %d has %d rows in the inbox, %d posts and %d responses of 2xx", c.ID, kept, posts, acknowledged)
			}
		}
	}
	kept := map[string]int{}
	for _, d := range v.inbox {
		kept[d.body]++
		checkDelivery(r, v, d)
	}
	for body, n := range kept {
		if r.proxy.posts[body] == nil {
			r.violated("P2", ref{}, "the inbox has %d rows with a body that was not sent: %s", n, body)
		}
	}
	for body, t := range r.proxy.posts {
		if n := kept[body]; n < t.kept || n > t.kept+t.unknown {
			r.violated("P2", ref{}, "%d rows in the inbox, %d responses of 2xx and %d posts without a response: %s", n, t.kept, t.unknown, body)
		}
		if t.rejected > 0 {
			r.violated("P2", ref{}, "%d webhooks with a valid signature were refused: %s", t.rejected, body)
		}
	}
}

// checkDelivery checks that a delivery was applied. It can be foreign if its job
// was charged more than once, because the screenshot might not have been known
// yet.
func checkDelivery(r *rig, v *view, d delivery) {
	var owner ref
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
		r.violated("P2", owner, "delivery %d has screenshot %s, which belongs to no job", d.seq, d.screenshot)
	case d.disposition == "foreign" && len(v.creates[owner]) > 1:
	case d.disposition != "":
		r.violated("P2", owner, "delivery %d is %s", d.seq, d.disposition)
	case !slices.Contains(j.shots, d.screenshot):
		r.violated("P2", owner, "delivery %d was applied, but no submission has screenshot %s", d.seq, d.screenshot)
	}
}

func checkForgeries(r *rig, v *view) {
	for s, creates := range v.creates {
		for _, c := range creates {
			for _, d := range c.Deliveries {
				for _, a := range d.Attempts {
					if a.Signature != "valid" && a.Status != 401 && a.Status != 502 && a.Status != 0 {
						r.violated("P4", s, "webhook with signature %q: status %d, want 401", a.Signature, a.Status)
					}
				}
			}
		}
	}
	for body, t := range r.proxy.posts {
		if t.accepted > 0 {
			r.violated("P4", ref{}, "%d webhooks with an invalid signature were not answered 401: %s", t.accepted, body)
		}
	}
}

// checkCounts compares the counters with the rows, with the results file and with
// the output of status.
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
		all, reported, err := r.status(id)
		if err != nil {
			r.violated("P6", ref{batch: id}, "%v", err)
			continue
		}
		listed, listedCost := r.countResults(id)
		for source, got := range map[string]map[string]int{"counters": counters, "status --json": reported, "results": listed} {
			if !maps.Equal(got, counted[id]) {
				r.violated("P6", ref{batch: id}, "%s: %v, rows: %v", source, got, counted[id])
			}
		}
		cost, _ := all["cost"].(float64)
		for source, got := range map[string]float64{"counter": float64(b["cost_micros"].(int64)) / 1e6, "status --json": cost, "results": listedCost} {
			if fmt.Sprintf("%.6f", got) != fmt.Sprintf("%.6f", costs[id]) {
				r.violated("P6", ref{batch: id}, "cost in %s: %g, in the rows: %g", source, got, costs[id])
			}
		}
		if b["corrected"] != corrected[id] {
			r.violated("P6", ref{batch: id}, "%d corrected in the counter, %d in the rows", b["corrected"], corrected[id])
		}
		if b["late"] != late[id] {
			r.violated("P6", ref{batch: id}, "%d late in the counter, %d in the rows", b["late"], late[id])
		}
	}
}

func (r *rig) countResults(id string) (counts map[string]int, cost float64) {
	records, err := r.results(id)
	if err != nil || len(records) == 0 {
		r.violated("P6", ref{batch: id}, "results: %v", err)
		return nil, 0
	}
	state, original, price := slices.Index(records[0], "state"), slices.Index(records[0], "duplicate_of"), slices.Index(records[0], "cost")
	counts = map[string]int{}
	for _, record := range records[1:] {
		if record[original] != "" {
			counts["duplicate"]++
			continue
		}
		counts[record[state]]++
		n, _ := strconv.ParseFloat(record[price], 64)
		cost += n
	}
	return counts, cost
}
