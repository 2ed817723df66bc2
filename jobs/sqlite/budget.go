package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"shotline/jobs"
)

// oneCredit is reserved for a create of unknown cost if there is no budget.
const oneCredit = 1_000_000

// day returns the day of a time, in UTC.
func day(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// nextDay returns the time at which the day after that of at begins.
func nextDay(at time.Time) time.Time { return time.Unix((day(at)+1)*24*60*60, 0) }

// account is a budget and what is used of it.
type account struct {
	daily           bool
	limit           sql.NullInt64 // micros; not valid if there is no budget
	spent, reserved int64
	underWay        string // query: whether a create is under way whose cost could become known
	args            []any  // of underWay
}

// left returns how much is neither spent nor, as far as that is still open,
// reserved.
func (a account) left() int64 { return a.limit.Int64 - a.spent }

const (
	batchAccount = `SELECT budget_micros, coalesce(cost_micros, 0), reserved_micros FROM batches WHERE seq = ?`
	dailyAccount = `SELECT micros, coalesce((SELECT spent_micros FROM spending WHERE day = ?1), 0),
		coalesce((SELECT reserved_micros FROM spending WHERE day = ?1), 0) FROM daily_budget`
	// A create is under way if its intent is open, or if its job waits for the result.
	costUnknown = `SELECT EXISTS (SELECT 1 FROM reservations r JOIN jobs j ON j.seq = r.job_seq
		JOIN submissions s ON s.job_seq = r.job_seq AND s.attempt = r.attempt AND s.extra = 0
		WHERE (j.state = 'pending' OR j.state = 'submitting' AND s.intent_at IS NOT NULL) AND `
	underWayInBatch = costUnknown + `r.job_seq BETWEEN +? AND +?)`
	underWayToday   = costUnknown + `r.day = +?)`
	findOptionSet   = `SELECT id, highest_micros FROM option_sets WHERE name = ?`
	addOptionSet    = `INSERT INTO option_sets (name) VALUES (?) RETURNING id`
)

// reservation is what a create reserves.
type reservation struct {
	optionSet, micros, day int64
}

// reserve returns what the create of a lease has to reserve. It returns
// jobs.ErrBudgetReached or jobs.ErrBudgetReserved if it may not be sent, and
// pauses the batch in the first case.
func (t *tx) reserve(seq int64, options string, at time.Time) (r reservation, refused, err error) {
	r.day = day(at)
	var price sql.NullInt64
	err = t.get([]any{&r.optionSet, &price}, findOptionSet, options)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.get([]any{&r.optionSet}, addOptionSet, options)
	}
	if err != nil {
		return r, nil, fmt.Errorf("option set: %w", err)
	}
	batch := account{underWay: underWayInBatch, args: []any{rowSeq(seq>>32, 1), rowSeq(seq>>32, maxRow)}}
	if err := t.get([]any{&batch.limit, &batch.spent, &batch.reserved}, batchAccount, seq>>32); err != nil {
		return r, nil, err
	}
	daily := account{daily: true, underWay: underWayToday, args: []any{r.day}}
	err = t.get([]any{&daily.limit, &daily.spent, &daily.reserved}, dailyAccount, r.day)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return r, nil, err
	}
	r.micros = oneCredit
	if price.Valid {
		r.micros = price.Int64
	}
	for _, a := range []account{batch, daily} {
		if !a.limit.Valid {
			continue
		}
		need := r.micros
		if !price.Valid {
			need = max(a.left(), oneCredit)
			r.micros = max(r.micros, need)
		}
		if a.spent+a.reserved+need <= a.limit.Int64 {
			continue
		}
		if need <= a.left() {
			var wait bool
			if err := t.get([]any{&wait}, a.underWay, a.args...); err != nil {
				return r, nil, err
			}
			if wait {
				return r, jobs.ErrBudgetReserved, nil
			}
		}
		if a.daily {
			return r, jobs.ErrBudgetReached, t.stopForToday(seq>>32, a, at)
		}
		return r, jobs.ErrBudgetReached, t.stop(seq>>32, jobs.BudgetPause+used(a)+": raise it with `shotline resume --budget`", nil, at)
	}
	return r, nil, nil
}

// used says how much of a budget is used.
func used(a account) string {
	text := fmt.Sprintf("%s is reached: %s spent", amount(a.limit.Int64), amount(a.spent))
	if a.reserved > 0 {
		text += fmt.Sprintf(", %s reserved for creates without a known cost", amount(a.reserved))
	}
	return text
}

// amount returns an amount with its unit.
func amount(micros int64) string {
	if micros == oneCredit {
		return "1 credit"
	}
	return fmt.Sprintf("%v credits", float64(micros)/oneCredit)
}

func (t *tx) stopForToday(batchSeq int64, a account, at time.Time) error {
	reason := jobs.DailyBudgetPause + used(a) + "; the batch continues at 00:00 UTC"
	return t.stop(batchSeq, reason, nextDay(at).UnixMilli(), at)
}

// stop pauses an open batch because of a budget.
func (t *tx) stop(batchSeq int64, reason string, resumeAt any, at time.Time) error {
	n, err := t.exec(`UPDATE batches SET state = 'paused', pause_reason = ?, resume_at = ? WHERE seq = ? AND state = 'open'`, reason, resumeAt, batchSeq)
	if err != nil || n == 0 {
		return err
	}
	_, err = t.exec(`INSERT INTO events (at, type, batch_seq, revision) SELECT ?1, 'batch.paused', seq, revision FROM batches WHERE seq = ?2`,
		at.UnixMilli(), batchSeq)
	return err
}

const addReservation = `INSERT INTO reservations (job_seq, attempt, n, micros, day, option_set)
	SELECT ?1, ?2, coalesce(max(n), 0) + 1, ?3, ?4, ?5 FROM reservations WHERE job_seq = +?1 AND attempt = +?2`

// keep records a reservation for the create that is about to be sent.
func (t *tx) keep(seq int64, attempt int, r reservation) error {
	if _, err := t.exec(addReservation, seq, attempt, r.micros, r.day, r.optionSet); err != nil {
		return err
	}
	return t.addReserved(seq, r.day, r.micros)
}

// addReserved adds an amount to what the batch of a job and a day have reserved.
func (t *tx) addReserved(seq, day, micros int64) error {
	if _, err := t.exec(`UPDATE batches SET reserved_micros = reserved_micros + ? WHERE seq = ?`, micros, seq>>32); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO spending (day, reserved_micros) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET reserved_micros = reserved_micros + ?2`, day, micros)
	return err
}

const (
	takeNewest = `DELETE FROM reservations WHERE job_seq = +?1 AND attempt = +?2
		AND n = (SELECT max(n) FROM reservations WHERE job_seq = +?1 AND attempt = +?2) RETURNING day, micros, option_set`
	takeOldest = `DELETE FROM reservations WHERE job_seq = +?1 AND attempt = +?2
		AND n = (SELECT min(n) FROM reservations WHERE job_seq = +?1 AND attempt = +?2) RETURNING day, micros, option_set`
)

// take removes a reservation of a submission, if it has one.
func (t *tx) take(query string, seq int64, attempt int) (r reservation, found bool, err error) {
	err = t.get([]any{&r.day, &r.micros, &r.optionSet}, query, seq, attempt)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		err = t.addReserved(seq, r.day, -r.micros)
	}
	return r, err == nil, err
}

// unreserve ends the newest reservation of a submission, because its create had no
// effect.
func (t *tx) unreserve(seq int64, attempt int) error {
	_, _, err := t.take(takeNewest, seq, attempt)
	return err
}

const addOptionCost = `UPDATE option_sets SET creates = creates + 1, total_micros = total_micros + ?2,
	highest_micros = max(coalesce(highest_micros, 0), ?2) WHERE id = ?1`

// spend replaces a reservation of a submission by a cost that has become known.
func (t *tx) spend(seq int64, attempt int, micros int64, at time.Time) error {
	r, found, err := t.take(takeOldest, seq, attempt)
	if err != nil {
		return err
	}
	if !found {
		r.day = day(at)
	} else if _, err := t.exec(addOptionCost, r.optionSet, micros); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO spending (day, spent_micros) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET spent_micros = spent_micros + ?2`, r.day, micros)
	return err
}

// SetBudget implements jobs.Budgets.
func (s *Store) SetBudget(ctx context.Context, batch string, credits *float64) error {
	if err := jobs.CheckBudget(credits); err != nil {
		return wrapError(err, "set budget of batch %s", batch)
	}
	err := s.write(ctx, func(t *tx) error {
		seq, _, err := t.batchSeq(batch)
		if err != nil {
			return err
		}
		var spent int64
		if err := t.get([]any{&spent}, `SELECT coalesce(cost_micros, 0) FROM batches WHERE seq = ?`, seq); err != nil {
			return err
		}
		limit := micros(credits)
		if n, isLimit := limit.(int64); isLimit && n < spent {
			return fmt.Errorf("%w: a budget of %s is less than the %s that the batch has cost already", jobs.ErrInvalid, amount(n), amount(spent))
		}
		_, err = t.exec(`UPDATE batches SET budget_micros = ? WHERE seq = ?`, limit, seq)
		return err
	})
	return wrapError(err, "set budget of batch %s", batch)
}

// openToday opens batches that the daily budget paused, and returns their ids.
const openToday = `UPDATE batches SET state = 'open', pause_reason = '', resume_at = NULL, wake_at = min(wake_at, ?1)
	WHERE state = 'paused' AND resume_at <= +?2 RETURNING id`

func (t *tx) openToday(at time.Time, due int64) (ids []string, err error) {
	err = t.each(into(&ids), openToday, at.UnixMilli(), due)
	return ids, err
}

// SetDailyBudget implements jobs.Budgets.
func (s *Store) SetDailyBudget(ctx context.Context, credits *float64, at time.Time) error {
	err := jobs.CheckBudget(credits)
	if err == nil {
		err = s.write(ctx, func(t *tx) error { return t.setDailyBudget(micros(credits), at) })
	}
	return wrapError(err, "set daily budget")
}

func (t *tx) setDailyBudget(limit any, at time.Time) error {
	query := `INSERT INTO daily_budget (id, micros) VALUES (1, ?1) ON CONFLICT DO UPDATE SET micros = ?1 WHERE micros <> ?1`
	if limit == nil {
		query = `DELETE FROM daily_budget WHERE ?1 IS NULL`
	}
	n, err := t.exec(query, limit)
	if err == nil && n > 0 {
		_, err = t.openToday(at, math.MaxInt64)
	}
	return err
}

// ResumeDue implements jobs.Budgets. It writes only if a batch is due.
func (s *Store) ResumeDue(ctx context.Context, at time.Time) (ids []string, err error) {
	var due bool
	err = s.readDB.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM batches WHERE resume_at <= ? AND state = 'paused')`, at.UnixMilli()).Scan(&due)
	if err == nil && due {
		err = s.write(ctx, func(t *tx) error {
			ids, err = t.openToday(at, at.UnixMilli())
			return err
		})
	}
	return ids, wrapError(err, "resume batches")
}

// DailyBudget implements jobs.Budgets.
func (s *Store) DailyBudget(ctx context.Context, at time.Time) (b jobs.DailyBudget, err error) {
	var limit sql.NullInt64
	var spent, reserved int64
	err = s.readDB.QueryRowContext(ctx, `SELECT (SELECT micros FROM daily_budget), coalesce(sum(spent_micros), 0), coalesce(sum(reserved_micros), 0)
		FROM spending WHERE day = ?`, day(at)).Scan(&limit, &spent, &reserved)
	b.Limit, b.Spent, b.Reserved = fromMicros(limit), float64(spent)/oneCredit, float64(reserved)/oneCredit
	return b, wrapError(err, "read daily budget")
}

// OptionCosts implements jobs.Budgets.
func (s *Store) OptionCosts(ctx context.Context, options []string) (map[string]jobs.OptionCost, error) {
	costs := map[string]jobs.OptionCost{}
	for _, name := range options {
		var c jobs.OptionCost
		var total, highest int64
		err := s.readDB.QueryRowContext(ctx, `SELECT creates, total_micros, highest_micros FROM option_sets WHERE name = ? AND creates > 0`, name).
			Scan(&c.Creates, &total, &highest)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, wrapError(err, "read costs of option sets")
		}
		c.Total, c.Highest = float64(total)/oneCredit, float64(highest)/oneCredit
		costs[name] = c
	}
	return costs, nil
}
