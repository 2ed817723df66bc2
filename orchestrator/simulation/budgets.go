package simulation

import (
	"context"
	"math"
	"sync"
	"time"

	"shotline/jobs"
)

// budgetCost is what each screenshot costs in a world with budgets. With different
// costs, a budget could be exceeded by the first create that costs more than those
// before it.
const budgetCost = 2

// budgets are the budgets of a seed, and the check that the vendor charges no more.
// They have random numbers of their own, so that the other seeds stay as they are.
type budgets struct {
	w      *world
	on     bool
	random *random

	mu     sync.Mutex
	limits map[string]float64 // the highest budget that a batch might have by now
	daily  float64            // the same for the day on which the run begins
	day    int64
}

func newBudgets(w *world, seed uint64) *budgets {
	b := &budgets{w: w, random: newRandom(seed ^ 0xb0d6e7), limits: map[string]float64{}, daily: math.Inf(1), day: dayOf(time.Now())}
	b.on = b.random.chance(0.25)
	return b
}

func dayOf(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// draw gives a new batch a budget.
func (b *budgets) draw(spec *jobs.BatchSpec) {
	if !b.on || !b.random.chance(0.7) {
		return
	}
	credits := float64([]int{0, 2, 3, 4, 6, 9}[b.random.upTo(6)])
	spec.Budget = &credits
	b.limits[spec.ID] = credits
}

// begin sets a daily budget.
func (b *budgets) begin() {
	if b.on && b.random.chance(0.4) {
		b.daily = float64(4 + 2*b.random.upTo(8))
		b.setDaily(&b.daily)
	}
}

func (b *budgets) setDaily(credits *float64) {
	b.w.operator.command("daily budget", "all", func(ctx context.Context, p *process, _ string) error {
		return p.port.SetDailyBudget(ctx, credits, p.now())
	})
}

// giveCommand sometimes raises the budget of a batch. It reports whether it did.
func (b *budgets) giveCommand() bool {
	if !b.on || len(b.w.operator.batches) == 0 || !b.random.chance(0.15) {
		return false
	}
	batch := oneOf(b.random, b.w.operator.batches).id
	limit, limited := b.limits[batch]
	if !limited || math.IsInf(limit, 1) {
		return false
	}
	raised := limit + float64(b.random.upTo(5))
	b.allow(batch, raised)
	b.set(batch, &raised)
	return true
}

func (b *budgets) allow(batch string, credits float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits[batch] = credits
}

// set sets the budget of a batch and continues it.
func (b *budgets) set(batch string, credits *float64) {
	b.w.operator.command("budget", batch, func(ctx context.Context, p *process, batch string) error {
		if err := p.port.SetBudget(ctx, batch, credits); err != nil {
			return err
		}
		return resume(ctx, p, batch)
	})
}

// remove removes all budgets, so that all work can end.
func (b *budgets) remove() {
	if !b.on {
		return
	}
	b.mu.Lock()
	b.daily = math.Inf(1)
	b.mu.Unlock()
	b.setDaily(nil)
	for _, order := range b.w.operator.batches {
		b.allow(order.id, math.Inf(1))
		b.set(order.id, nil)
	}
}

// check is called when the vendor charges for a screenshot.
func (b *budgets) check(made *shot) {
	if !b.on {
		return
	}
	batch, _, _ := parseTag(made.tag)
	var ofBatch, ofDay float64
	b.w.vendor.mu.Lock()
	defer b.w.vendor.mu.Unlock()
	for _, s := range b.w.vendor.shots {
		if s.tag == "" {
			continue
		}
		if dayOf(s.at) == b.day {
			ofDay += s.cost
		}
		if of, _, _ := parseTag(s.tag); of == batch {
			ofBatch += s.cost
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit, limited := b.limits[batch]; limited && ofBatch > limit {
		b.w.fail("P11", "batch %s has a budget of %v credits and has cost %v", batch, limit, ofBatch)
	}
	if ofDay > b.daily {
		b.w.fail("P11", "the daily budget is %v credits, and %v were charged today", b.daily, ofDay)
	}
}

// auditBudgets checks what is reserved: at most one reservation for each create
// whose cost is not known, and their sums.
func (c *checker) auditBudgets() {
	c.each(func(scan func(...any)) {
		var id string
		var recorded, sum int64
		scan(&id, &recorded, &sum)
		c.w.fail("P11", "batch %s has %d millionths reserved, its creates %d", id, recorded, sum)
	}, `SELECT id, reserved_micros, total FROM (SELECT b.id, b.reserved_micros,
		(SELECT coalesce(sum(micros), 0) FROM reservations WHERE job_seq >> 32 = b.seq) AS total FROM batches b) WHERE reserved_micros <> total`)
	c.each(func(scan func(...any)) {
		var day, recorded, sum int64
		scan(&day, &recorded, &sum)
		c.w.fail("P11", "day %d has %d millionths reserved, its creates %d", day, recorded, sum)
	}, `SELECT day, reserved_micros, total FROM (SELECT s.day, s.reserved_micros,
		(SELECT coalesce(sum(micros), 0) FROM reservations r WHERE r.day = s.day) AS total FROM spending s) WHERE reserved_micros <> total`)
	c.each(func(scan func(...any)) {
		var seq, attempt, held, sends, known int64
		scan(&seq, &attempt, &held, &sends, &known)
		c.w.fail("P11", "attempt %d of the job at place %d has %d reservations, %d creates that were not refused, and %d known costs", attempt, seq, held, sends, known)
	}, `SELECT * FROM (SELECT r.job_seq, r.attempt, count(*) AS held,
		(SELECT sends FROM submissions s WHERE s.job_seq = r.job_seq AND s.attempt = r.attempt AND s.extra = 0)
			- (SELECT closed_by = 'submit' AND j.attempt = r.attempt FROM jobs j WHERE j.seq = r.job_seq) AS sends,
		(SELECT count(*) FROM submissions s WHERE s.job_seq = r.job_seq AND s.attempt = r.attempt AND s.cost_micros IS NOT NULL) AS known
		FROM reservations r GROUP BY r.job_seq, r.attempt) WHERE held > sends - known`)
}
