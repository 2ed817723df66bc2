package simulation

// bugsOfMoney are about what is paid for twice, or looked for too little.
var bugsOfMoney = []bug{
	{
		name: "a batch that was summed up is not audited", promise: "P3, P6", file: "orchestrator/reconcile.go",
		from: `	did(p.audit(ctx, func(b jobs.Batch) (bool, error) { return options.wants(b.ID), nil }))
`,
		to: ``,
	},
	{
		name: "a charge after the summary raises no revision", promise: "P6", file: "jobs/sqlite/observe.go",
		from: `AND summarized >= revision RETURNING`,
		to:   `AND summarized > revision RETURNING`,
	},
	{
		name: "a canceled job is retried without asking", promise: "P3", file: "orchestrator/retry.go",
		from: `(j.State == jobs.TimedOut || j.State == jobs.Canceled)`,
		to:   `(j.State == jobs.TimedOut)`,
	},
	{
		name: "a retry forgets what a canceled job has paid for", promise: "P3", file: "jobs/sqlite/retry.go",
		from: `return []string{pickPaid}`,
		to:   `return nil`,
	},
	{
		name: "a retry does not wait for a screenshot that is on its way", promise: "P3", file: "jobs/sqlite/retry.go",
		from: `return []string{pickWaiting, pickRetried}`,
		to:   `return []string{pickRetried}`,
	},
}
