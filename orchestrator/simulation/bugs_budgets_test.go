package simulation

// bugsOfBudgets are bugs in the accounts of budgets.
var bugsOfBudgets = []bug{
	{
		name: "an intent reserves nothing", promise: "P11", file: "jobs/sqlite/ledger.go",
		from: `		if err := t.keep(seq, lease.Attempt, credits); err != nil {
			return err
		}
`,
		to: `		_ = credits
`,
	},
	{
		name: "a budget ignores what is reserved", promise: "P11", file: "jobs/sqlite/budget.go",
		from: `a.spent+a.reserved+need <= a.limit.Int64`,
		to:   `a.spent+need <= a.limit.Int64`,
	},
	{
		name: "a create of unknown cost reserves one credit", promise: "P11", file: "jobs/sqlite/budget.go",
		from: `need = max(a.left(), oneCredit)`,
		to:   `need = oneCredit`,
	},
	{
		name: "a withdrawn intent keeps its reservation", promise: "P11", file: "jobs/sqlite/ledger.go",
		from: `if err := t.unreserve(seq, lease.Attempt); err != nil {`,
		to:   `if err := error(nil); err != nil {`,
	},
	{
		name: "a refused create keeps its reservation", promise: "P11", file: "jobs/sqlite/close.go",
		from: `if n > 0 && c.By == jobs.BySubmit {`,
		to:   `if n < 0 {`,
	},
	{
		name: "a known cost ends no reservation", promise: "P11", file: "jobs/sqlite/budget.go",
		from: `r, found, err := t.take(takeOldest, seq, attempt)`,
		to:   `r, found, err := reservation{}, false, error(nil)`,
	},
}
