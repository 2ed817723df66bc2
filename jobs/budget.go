package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Errors of OpenIntent if the credits of a budget do not suffice. Nothing may be
// sent then.
var (
	// ErrBudgetReached means that a budget has no credits left for this create. The
	// same step has paused the batch.
	ErrBudgetReached = errors.New("the budget is reached")
	// ErrBudgetReserved means that the credits left are reserved for creates under
	// way. They might cost less, so the create can be tried again soon.
	ErrBudgetReserved = errors.New("the rest of the budget is reserved for creates under way")
)

// The reasons of pauses by budgets begin with these texts.
const (
	BudgetPause      = "the budget of "
	DailyBudgetPause = "the daily budget of "
)

// Budgets limit the credits that creates may cost. A batch can have a budget, and
// the store can have one for each day in UTC.
//
// OpenIntent reserves credits for a create: the highest cost that is known for its
// option set, see Lease. If no cost of the option set is known, it reserves all
// that is left, so that no other create is sent until the first one has shown the
// cost. Without a budget it reserves one credit in this case. The reservation ends
// when the cost becomes known or the create proves to have had no effect. The
// credits count for the day of the intent.
//
// A budget is reached if it has not enough credits left for the next create, or if
// what is left is reserved and no create is under way whose cost could still become
// known.
type Budgets interface {
	// SetBudget sets the budget of a batch in credits; nil removes it. It returns
	// ErrInvalid if the batch has already cost more.
	SetBudget(ctx context.Context, batch string, credits *float64) error
	// SetDailyBudget sets the daily budget in credits; nil removes it. If it
	// changes, batches that the daily budget paused are open again.
	SetDailyBudget(ctx context.Context, credits *float64, at time.Time) error
	// DailyBudget returns the daily budget and what is used of it on the day of at.
	DailyBudget(ctx context.Context, at time.Time) (DailyBudget, error)
	// ResumeDue opens batches again that the daily budget paused on an earlier day,
	// and returns their ids.
	ResumeDue(ctx context.Context, at time.Time) ([]string, error)
	// OptionCosts returns the known costs of option sets. Sets without a known cost
	// are left out.
	OptionCosts(ctx context.Context, options []string) (map[string]OptionCost, error)
}

// DailyBudget is the daily budget and its use on one day.
type DailyBudget struct {
	Limit    *float64 // credits; nil if there is none
	Spent    float64  // known costs of the creates of the day
	Reserved float64  // for creates of the day whose cost is not known
}

// OptionCost is what creates of one option set have cost.
type OptionCost struct {
	Creates int64   // with a known cost
	Total   float64 // credits of all of them
	Highest float64 // credits of the most expensive one
}

// MaxBudget is the largest budget, in credits.
const MaxBudget = 1e12

// CheckBudget returns ErrInvalid if the credits are no budget.
func CheckBudget(credits *float64) error {
	if credits != nil && !(*credits >= 0 && *credits <= MaxBudget) { // also for NaN
		return fmt.Errorf("%w: a budget of %v credits", ErrInvalid, *credits)
	}
	return nil
}

// ParseBudget parses a number of credits. For "none" it returns nil.
func ParseBudget(text string) (*float64, error) {
	if text == "none" {
		return nil, nil
	}
	credits, err := strconv.ParseFloat(text, 64)
	if err == nil {
		err = CheckBudget(&credits)
	}
	if err != nil {
		return nil, errors.New("want a number of credits such as 500, or none")
	}
	return &credits, nil
}
