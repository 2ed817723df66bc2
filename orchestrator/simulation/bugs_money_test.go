package simulation

// bugsOfMoney are bugs in the handling of paid screenshots and look-ups.
var bugsOfMoney = []bug{
	{
		name: "a summarized batch is not audited", promise: "P3, P6", file: "orchestrator/reconcile.go",
		from: `	addChanges(o.audit(ctx, vendor, func(b jobs.Batch) (bool, error) { return options.wants(b.ID), nil }))
`,
		to: ``,
	},
	{
		name: "a charge after the summary raises no revision", promise: "P6", file: "jobs/sqlite/observe.go",
		from: `AND summarized >= revision RETURNING`,
		to:   `AND summarized > revision RETURNING`,
	},
	{
		name: "a canceled job is retried without a look-up", promise: "P3", file: "orchestrator/retry.go",
		from: `j.State == jobs.TimedOut || j.State == jobs.Canceled || mayBeFalse(j)`,
		to:   `j.State == jobs.TimedOut || mayBeFalse(j)`,
	},
	{
		name: "a retry forgets the paid screenshot of a canceled job", promise: "P3", file: "jobs/sqlite/retry.go",
		from: `return []string{pickPaid}`,
		to:   `return nil`,
	},
	{
		name: "a retry does not wait for a screenshot that is still processing", promise: "P3", file: "jobs/sqlite/retry.go",
		from: `return []string{pickWaiting, pickRetried}`,
		to:   `return []string{pickRetried}`,
	},
	{
		name: "held deliveries are not bounded", promise: "P9", file: "jobs/sqlite/writer.go",
		from: `admitted, err := w.tx.admit(group[i:last], errs[i:last])`,
		to:   `admitted, err := group[i:last], error(nil)`,
	},
	{
		name: "held deliveries are disowned without a look-up", promise: "P2", file: "orchestrator/held.go",
		from: `disowned, err := o.store.Disown(ctx, query.answered, o.clock.Now())`,
		to:   `disowned, err := o.store.Disown(ctx, oldest, o.clock.Now())`,
	},
	{
		name: "held deliveries of a lost create are disowned, not adopted", promise: "P2", file: "orchestrator/held.go",
		from: `		return h.lookup(h.vendor, b).record(ctx, found)
`,
		to: `		_ = b
		return nil
`,
	},
}
